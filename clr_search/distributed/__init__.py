"""Embedding on several machines, by Ray Data; and its results as Parquet files.

`engine` runs a pool of encoders in a cluster, `actor` is one of them, `rows` what comes back over
the network, `cluster` the way in; `shards` keeps results in a folder, of which a collection is
made.
"""
