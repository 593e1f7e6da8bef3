"""The encoder f and the projection head g: their layers, initial weights, average, compilation."""
