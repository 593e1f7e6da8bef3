"""How well embeddings find what belongs together: retrieval, learning curves, comparisons."""
