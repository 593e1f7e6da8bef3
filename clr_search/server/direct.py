"""A short way to the addresses that nearly all requests are for.

Between a request and its endpoint FastAPI and Starlette have nine layers, for the validation of
parameters, dependencies and exceptions. An endpoint that takes the request as it is, gives the
answer as it is, and whose refusals are the guard's to tell, needs none of them; they would cost a
tenth of all the processor time of a small picture. FastAPI still describes these addresses, and
answers every other one.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """ASGI middleware behind the guard.

    Parameters
    ----------
    app : ASGIApp
        Answers everything else.
    routes : sequence of APIRoute
        Whose endpoints take a `Request` and give a `Response`; without parameters in their paths.
    owner : FastAPI
        What endpoints find as `request.app`.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[APIRoute], owner: FastAPI) -> None:
        self._app, self._owner = app, owner
        self._routes = {
            (method, route.path): route for route in routes for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint, or pass the request on."""
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope.update(app=self._owner, route=route)
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)
