"""FAISS indexes, which are derived from the catalogue: their kinds, choice and files."""
