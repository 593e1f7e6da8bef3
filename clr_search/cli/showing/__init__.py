"""Commands that show a collection: app, serve, export-site, demo."""
