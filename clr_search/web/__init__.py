"""What every page and service of this package shares, whoever serves it."""
