"""Comparison of two pictures by their pixels: roughly as they lie, then tile by tile."""
