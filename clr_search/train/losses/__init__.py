"""Losses: pure functions from the projections of two views of N images to an `Objective`.

One loss a file: `nt_xent` (the loss of SimCLR), `dcl`, `nt_logistic`, `margin`. `similarity` has
what they share, `tiled` computes NT-Xent without holding the matrix of similarities.
"""
