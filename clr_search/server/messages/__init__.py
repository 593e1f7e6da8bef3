"""Messages of the service: bodies of requests and JSON schemas."""
