"""Searching a collection: a query, the snapshot that answers it, and the matches."""
