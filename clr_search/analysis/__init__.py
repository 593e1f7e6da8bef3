"""Analysis of a whole collection: copies, clusters, a map, and classes by vote."""
