"""Writers that are killed at failpoints, in power cuts and at random instants."""
