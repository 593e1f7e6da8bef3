"""The demonstration: a collection drawn on the spot, and the whole way through it."""
