"""A server as the place of a collection: what differs from a folder, named once."""
