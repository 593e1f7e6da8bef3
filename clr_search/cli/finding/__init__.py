"""Commands that look into a collection: search, duplicates, cluster, map."""
