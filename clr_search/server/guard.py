"""The guard in front of the service: it authenticates requests, and bounds their size and time.

It is an ASGI middleware that

* requires a key, where keys are configured, as `Authorization: Bearer …` or `X-API-Key: …`;
* answers, without keys, only requests addressed to an IP address, `localhost` or the configured
  host, and none from a page of another origin. So no web page reaches the service, not even through
  a name that it makes resolve to 127.0.0.1 (DNS rebinding);
* bounds the bytes of a request, the bytes of all requests in progress, and the time of each;
* forbids browsers, by headers, to run, embed or store any answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.server.counters import Counters
from clr_search.server.messages.problems import Problem, busy
from clr_search.server.settings import Keys, Limits
from clr_search.web.asgi import answer_other_protocol, refused_as_foreign

logger = logging.getLogger(__name__)

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no key: they reveal nothing, and the supervisors that call them have no key."""

ALL_BODIES = 8
"""Largest total of the bodies of all requests in progress, as a multiple of the largest body.

It bounds the memory that clients can occupy by uploads.
"""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
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
        self._app, self._keys, self._limits, self._counters = app, keys, limits, counters
        self._host = host.strip("[]").lower()
        self._body_bytes = 0  # total of the bodies of all requests in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await answer_other_protocol(self._app, scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send)
        began = time.perf_counter()
        try:
            await self._answer(scope, exchange)
        finally:
            self._body_bytes -= exchange.received
            route = getattr(scope.get("route"), "path", "other")
            self._counters.requests.labels(route, str(exchange.status or 499)).inc()
            self._counters.seconds.labels(route).observe(time.perf_counter() - began)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        """Pass a request on within the time limit, and answer every failure with a problem."""
        try:
            self._check(scope)
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem)
        except TimeoutError:
            seconds = f"{self._limits.seconds:g} s"
            await exchange.refuse(
                Problem(HTTPStatus.REQUEST_TIMEOUT, f"The request took longer than {seconds}.")
                if exchange.reading
                else busy(f"The service has not come to an answer within {seconds}.")
            )
        except ClientDisconnect:
            pass  # There is no client left to answer.
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if exchange.status:
                raise  # The server cuts the connection, so that half an answer does not look whole.
            await exchange.refuse(
                Problem(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "The service failed; its log says how.",
                    "Tell who runs it.",
                )
            )

    def _check(self, scope: Scope) -> None:
        """Refuse a request without a valid key, from a foreign page, or with a large body."""
        headers = Headers(scope=scope)
        if self._keys:
            if scope["path"] not in OPEN and not self._keys.accept(_key(headers)):
                raise Problem(
                    HTTPStatus.UNAUTHORIZED,
                    "The request has no key, or a wrong one.",
                    "Send the header Authorization: Bearer KEY.",
                    {"www-authenticate": "Bearer"},
                )
        else:
            self._check_origin(headers)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise self.too_large()

    def _check_origin(self, headers: Headers) -> None:
        """Refuse a request that a page of another origin may have sent."""
        status = refused_as_foreign(headers, self._host)
        if status is HTTPStatus.MISDIRECTED_REQUEST:
            raise Problem(
                status,
                "Without a key the service answers to an address or localhost only.",
                "Use the address, or start the service with a key.",
            )
        if status is not None:
            raise Problem(
                status,
                "Without a key no page of another origin is answered.",
                "Start the service with a key.",
            )

    def take(self, count: int, received: int) -> None:
        """Count `count` bytes of a body that has `received` bytes so far, those included.

        Raises
        ------
        Problem
            If this body is too large (413), or those of all requests together are (503).
        """
        self._body_bytes += count
        if received > self._limits.body_bytes:
            raise self.too_large()
        if self._body_bytes > ALL_BODIES * self._limits.body_bytes:
            self._counters.refused.inc()
            raise busy()

    def too_large(self) -> Problem:
        """Return the refusal of a body that is too large."""
        return Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {self._limits.body_bytes:,} bytes.",
            "Send fewer or smaller pictures; 512 pixels are enough for any encoder.",
        )


class _Exchange:
    """One request and its answer, observed while the application reads and writes them.

    Attributes
    ----------
    received : int
        Number of bytes of the body so far.
    reading : bool
        Whether the body is incomplete and the application waits for more of it.
    status : int
        Status of the answer; 0 before the answer has begun.
    """

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self.received = 0
        self.reading = False
        self.status = 0

    async def receive(self) -> Message:
        """Receive a part of the body, and count its bytes."""
        self.reading = True
        message = await self._receive()
        if message["type"] == "http.request":
            count = len(message.get("body", b""))
            self.received += count
            self._guard.take(count, self.received)
            self.reading = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; `HEADERS` are added to its head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless the application has begun an answer."""
        if self.status:
            return
        await problem.response()(self._scope, self.receive, self.send)


def _key(headers: Headers) -> str | None:
    """Return the key of a request, or None where it has none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key")
