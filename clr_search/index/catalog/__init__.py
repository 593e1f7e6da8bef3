"""The SQLite catalogue, the source of truth of a collection; all SQL stands in this folder."""
