"""Commands on a collection: build-index, add, remove, repair, info."""
