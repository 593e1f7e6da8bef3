"""Malformed requests to the service and the app: what the worst costs them, and who else waits."""
