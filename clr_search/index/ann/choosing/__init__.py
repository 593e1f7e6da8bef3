"""Which structure a collection gets: each kind is tried on a sample, and the quickest chosen."""
