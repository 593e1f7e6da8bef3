"""Milvus as the place of a collection: all that speaks to it, and the replica of its items here."""
