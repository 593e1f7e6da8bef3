"""NT-Xent and the losses it is compared with: pure functions of projections."""
