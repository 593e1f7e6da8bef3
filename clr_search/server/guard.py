"""The guard in front of the service: it authenticates requests, and bounds their size and time.

Beside what every guard does (`web.guard`), it

* requires a key, where keys are configured, as `Authorization: Bearer …` or `X-API-Key: …`;
* answers, without keys, only requests addressed to an IP address, `localhost` or the configured
  host, and none from a page of another origin. So no web page reaches the service, not even through
  a name that it makes resolve to 127.0.0.1 (DNS rebinding);
* bounds the time of a request;
* forbids browsers, by headers, to run, embed or store any answer.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from clr_search.server.counters import Counters
from clr_search.server.settings import Keys, Limits
from clr_search.web import guard
from clr_search.web.problems import Problem, busy

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no key: they reveal nothing, and the supervisors that call them have no key."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard(guard.Guard):
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    keys : Keys
        The accepted keys; every request is answered without a key where there are none.
    limits : Limits
        Largest body in bytes, and longest time in seconds, of a request.
    counters : Counters
        The metrics in which requests are counted.
    host : str
        The configured host, a name that a `Host` header may have.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys, limits: Limits, counters: Counters, host: str
    ) -> None:
        super().__init__(app, host, limits.body_bytes, HEADERS)
        self._keys, self._limits, self._counters = keys, limits, counters

    async def answer(self, scope: Scope, headers: Headers, exchange: guard.Exchange) -> None:
        """Pass on a request that has a key and is not too large, within the time limit."""
        if not self._keys:
            self.require_own(headers)
        elif scope["path"] not in OPEN and not self._keys.accept(_key(headers)):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "The request has no key, or a wrong one.",
                "Send the header Authorization: Bearer KEY.",
                {"www-authenticate": "Bearer"},
            )
        self.require_small(headers)
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self.app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            seconds = f"{self._limits.seconds:g} s"
            raise (
                Problem(HTTPStatus.REQUEST_TIMEOUT, f"The request took longer than {seconds}.")
                if exchange.reading
                else busy(f"The service has not come to an answer within {seconds}.")
            ) from None

    def take(self, count: int, received: int) -> None:
        """Count bytes of a body, as every guard does, and the requests refused for load."""
        try:
            super().take(count, received)
        except Problem as problem:
            if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
                self._counters.refused.inc()
            raise

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request by its route, its status and its time."""
        route = getattr(scope.get("route"), "path", "other")
        self._counters.requests.labels(route, str(status or 499)).inc()
        self._counters.seconds.labels(route).observe(seconds)


def _key(headers: Headers) -> str | None:
    """Return the key of a request, or None where it has none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key")
