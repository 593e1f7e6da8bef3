"""Bringing the columns of items up to date: those of EXIF, and those of one's own."""
