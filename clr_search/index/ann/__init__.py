"""FAISS, derived from the catalogue: structures, their choice, and their files."""
