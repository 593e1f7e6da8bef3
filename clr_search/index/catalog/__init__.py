"""SQLite, the truth of a collection: every statement of SQL is in this folder."""
