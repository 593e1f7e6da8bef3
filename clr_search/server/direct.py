"""A fast path to the routes that nearly all requests are for: embed, search and readiness.

Between a request and its endpoint, FastAPI and Starlette have nine layers, which validate
parameters, resolve dependencies and handle exceptions. They take a tenth of the processor time of a
small picture. An endpoint that reads the `Request` itself, returns a `Response`, and leaves its
refusals to the guard needs none of them. FastAPI still describes these routes in the OpenAPI
document, and answers all the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """ASGI middleware behind the guard that calls some endpoints directly.

    Parameters
    ----------
    app : ASGIApp
        The application that answers all other requests.
    routes : sequence of APIRoute
        Routes to call directly. Their endpoints take a `Request` and return a `Response`, and
        their paths have no parameters.
    owner : FastAPI
        The application that endpoints find as `request.app`.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[APIRoute], owner: FastAPI) -> None:
        self._app, self._owner = app, owner
        self._routes = {
            (method, route.path): route for route in routes for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint of the request, or pass the request on to `app`."""
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope.update(app=self._owner, route=route)
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)
