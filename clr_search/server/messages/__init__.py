"""What goes over the wire: bodies of requests, their schemas, and problems as answers."""
