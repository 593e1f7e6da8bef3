"""The collection as a whole: its map, its groups, and what is like nothing else."""
