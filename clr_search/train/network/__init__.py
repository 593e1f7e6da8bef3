"""The encoder f and the projection head g."""
