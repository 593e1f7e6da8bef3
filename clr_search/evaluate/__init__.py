"""Measures of embeddings on labelled pictures: retrieval, learning curves, comparisons."""
