"""The HTTP service: embedding, search and classification for other programs.

It needs the extra ``serve``. `server.run` runs the service, `routes.create_app` makes the ASGI
application for another server, and `client.Client` sends requests from Python.
"""
