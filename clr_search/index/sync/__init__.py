"""Bringing a collection up to date with the folders it is of."""
