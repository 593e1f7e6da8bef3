"""What is made of an index as a whole: copies, clusters, a map, votes."""
