"""The HTTP service: embedding, search and classification for other programs.

Needs the extra ``serve``. `server.run` serves, `routes.create_app` is the ASGI application for
another server, `client.Client` asks from Python.
"""
