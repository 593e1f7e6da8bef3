"""The guard in front of the service: it authenticates requests, and bounds their size and time.

Beside what every guard does (`web.guard`), it

* requires a key, where keys are configured, as `Authorization: Bearer …` or `X-API-Key: …`;
* answers, without keys, only requests addressed to an IP address, `localhost` or an allowed host
  name, and none from a page of another origin. So no web page reaches the service, not even through
  a name that it makes resolve to 127.0.0.1 (DNS rebinding);
* answers pages of the origins that `--allow-origin` names, and lets them read the answers (CORS);
* unpacks bodies in gzip, and packs answers where the client takes them so;
* bounds the time of a request;
* forbids browsers, by headers, to run, embed or store any answer.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from clr_search.server.counters import Counters
from clr_search.server.messages import openai
from clr_search.server.settings import CurrentKeys, Limits
from clr_search.web import guard
from clr_search.web.access_log import log_request
from clr_search.web.hosts import Names
from clr_search.web.problems import Problem, busy
from clr_search.web.requests.compression import Packed, accepts_gzip, packing, unpacked
from clr_search.web.requests.exchange import Exchange

DOCS = "/docs"
"""Path of the page that describes the service."""

OPEN = frozenset({"/healthz", "/readyz", DOCS})
"""Paths that need no key: they reveal nothing of the collection. Supervisors have no key, and a
browser cannot send one when a person opens a page."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


_CORS_METHODS = "GET, HEAD, POST"
_CORS_HEADERS = "authorization, x-api-key, content-type, content-encoding, accept"
_CORS_READABLE = "x-shape, x-model, retry-after"


class Guard(guard.Guard):
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    keys : CurrentKeys
        The accepted keys; every request is answered without a key where there are none.
    limits : Limits
        Largest body in bytes, and longest time in seconds, of a request.
    counters : Counters
        The metrics in which requests are counted.
    names : Names
        What the service may be addressed as, and by which pages.
    below : str
        Path below which a proxy shows the service.
    """

    way_in = "start the service with --keys FILE, or with --allow-host {host}"

    def __init__(
        self,
        app: ASGIApp,
        keys: CurrentKeys,
        limits: Limits,
        counters: Counters,
        names: Names,
        below: str = "",
    ) -> None:
        super().__init__(app, names, limits.body_bytes, HEADERS, below)
        self._keys, self._limits, self._counters = keys, limits, counters

    async def answer(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Pass on a request that has a key and is not too large, within the time limit."""
        try:
            await self._answer(scope, headers, exchange)
        except Problem as problem:
            if scope["path"] == openai.PATH:
                openai.explain(problem)
            raise

    async def _answer(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Do the work of `answer`."""
        if self._answers_a_page(headers, exchange) and _is_preflight(scope, headers):
            await _allowed()(scope, exchange.receive, exchange.send)
            return
        self._let_in(scope, headers, exchange)
        self.require_small(headers)
        receive: Receive = exchange.receive
        if packing(headers):
            receive = unpacked(receive, exchange.take)
        send: Send = Packed(exchange.send) if accepts_gzip(headers) else exchange.send
        if scope["method"] == "HEAD":
            scope["method"] = "GET"  # in a copy: the connection knows, and sends the head alone
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self.app(scope, receive, send)
        except TimeoutError:
            seconds = f"{self._limits.seconds:g} s"
            raise (
                Problem(HTTPStatus.REQUEST_TIMEOUT, f"The request took longer than {seconds}.")
                if exchange.reading
                else busy(f"The service has not come to an answer within {seconds}.")
            ) from None

    def _answers_a_page(self, headers: Headers, exchange: Exchange) -> bool:
        """Whether a page of an allowed origin asks; if so, it may read the answer."""
        origins = headers.getlist("origin")
        if self.names.origins:
            exchange.more_headers["vary"] = "origin"
        if len(origins) != 1 or origins[0] not in self.names.origins:
            return False
        exchange.more_headers |= {
            "access-control-allow-origin": origins[0],
            "access-control-expose-headers": _CORS_READABLE,
        }
        return True

    def _let_in(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Refuse a request without a key, or where there are none, one of a foreign page."""
        keys = self._keys.keys
        if not keys:
            self.require_own(headers, link=scope["path"] == DOCS)
            return
        name = keys.name_of(_key(headers))
        exchange.who = name or ""
        if name is None and scope["path"] not in OPEN:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "The request has no key, or a wrong one.",
                "Send the header Authorization: Bearer KEY.",
                {"www-authenticate": "Bearer"},
            )

    def _for_other_pages(self, origin: str) -> str:
        """Return by which option a page of another origin is answered."""
        return " A page of another site is answered with --allow-origin and its origin."

    def take(self, count: int, received: int) -> None:
        """Count bytes of a body, as every guard does, and the requests refused for load."""
        try:
            super().take(count, received)
        except Problem as problem:
            if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
                self._counters.refused.inc()
            raise

    def observe(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        """Count a request by its route, its status and its time, and log it."""
        route = getattr(scope.get("route"), "path", "other")
        self._counters.requests.labels(route, str(exchange.status or 499)).inc()
        self._counters.seconds.labels(route).observe(seconds)
        log_request(scope, exchange, seconds)


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    """Whether a browser asks what a page may send, before it sends it."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _allowed() -> Response:
    """Return the answer to a browser that asks what a page may send."""
    headers = {
        "access-control-allow-methods": _CORS_METHODS,
        "access-control-allow-headers": _CORS_HEADERS,
        "access-control-max-age": "600",
    }
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def _key(headers: Headers) -> str | None:
    """Return the key of a request, or None where it has none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key")
