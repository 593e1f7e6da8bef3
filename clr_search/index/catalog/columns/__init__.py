"""Columns of the items: what cameras wrote, and those of one's own; and expressions on them."""
