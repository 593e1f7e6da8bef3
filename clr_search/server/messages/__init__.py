"""Messages of the service: bodies of requests, JSON schemas, and problems as answers."""
