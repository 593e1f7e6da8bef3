"""Damaged files and requests by the hundred thousand, of which none may do harm."""
