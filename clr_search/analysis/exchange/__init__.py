"""Vectors of a collection for other programs, and those of other programs for a collection."""
