"""The guard that the HTTP service and the browser application share; each adds its own rules.

It is an ASGI middleware that

* refuses a request with more than one `Host`, and, where a server has no keys, any that a page of
  another origin may have sent: by its `Host` (DNS rebinding), `Origin` or `Sec-Fetch-Site`;
* bounds the bytes of a body, and those of all bodies in progress together;
* ends the connection after an answer whose request has not come whole;
* answers every failure as a problem, and adds the server's own headers to every answer.

The types are Starlette's. Starlette is installed with FastAPI (extra ``serve``) and with Gradio
(extra ``app``).
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.errors import shortened
from clr_search.web.hosts import is_own_origin, is_trusted_host
from clr_search.web.problems import Problem, busy

logger = logging.getLogger(__name__)

ALL_BODIES = 8
"""Largest total of the bodies of all requests in progress, as a multiple of the largest body.

It bounds the memory that clients can occupy by uploads.
"""

_PIECE = 2**18  # Bytes of a body that has been read, and is handed on in parts.


class Guard(ABC):
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    host : str
        The configured host, a name that a `Host` header may have.
    body_bytes : int
        Largest body of a request, in bytes.
    headers : mapping
        Headers of every answer, in lower case; the application may set its own `cache-control`.
    """

    def __init__(
        self, app: ASGIApp, host: str, body_bytes: int, headers: Mapping[str, str]
    ) -> None:
        self.app, self.body_bytes, self.headers = app, body_bytes, headers
        self._host = host.strip("[]").lower()
        self._in_progress = 0  # total of the bodies of all requests in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # policy violation
        else:
            exchange = Exchange(self, scope, receive, send)
            began = time.perf_counter()
            try:
                await self._answered(scope, exchange)
            finally:
                self._in_progress -= exchange.received
                self.observe(scope, exchange.status, time.perf_counter() - began)

    async def _answered(self, scope: Scope, exchange: Exchange) -> None:
        """Answer a request, every failure by a problem."""
        try:
            headers = Headers(scope=scope)
            if len(headers.getlist("host")) > 1:
                raise Problem(HTTPStatus.MISDIRECTED_REQUEST, "The request has several hosts.")
            await self.answer(scope, headers, exchange)
        except Problem as problem:
            await exchange.refuse(problem)
        except ClientDisconnect:
            pass  # There is no client left to answer.
        except Exception:
            logger.exception("%s %s failed", scope["method"], shortened(scope["path"]))
            if exchange.status:
                raise  # The server cuts the connection, so that half an answer does not look whole.
            await exchange.refuse(
                Problem(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "The server failed; its log says how.",
                    "Tell who runs it.",
                )
            )

    @abstractmethod
    async def answer(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Pass on a request that the server's own rules allow; raise a `Problem` to refuse it."""

    def observe(self, scope: Scope, status: int, seconds: float) -> None:  # noqa: B027
        """Count a request that is over; the status is 0 where there was no client to answer."""

    def require_own(self, headers: Headers, *, link: bool = False) -> None:
        """Refuse a request that a page of another origin may have sent.

        Parameters
        ----------
        headers : Headers
            Headers of the request.
        link : bool
            Whether it may be a page that is opened by a link on any other page.

        Raises
        ------
        Problem
            If the request is for a host name that a page could make resolve to this machine (421),
            or a browser says that it comes from another origin (403).
        """
        status = refused_as_foreign(headers, self._host, link=link)
        if status is HTTPStatus.MISDIRECTED_REQUEST:
            raise Problem(
                status,
                "Without a key only requests to an address or localhost are answered.",
                "Use the address, or start the server with a key.",
            )
        if status is not None:
            raise Problem(
                status,
                "Without a key no page of another origin is answered.",
                "Start the server with a key.",
            )

    def take(self, count: int, received: int) -> None:
        """Count `count` bytes of a body that has `received` bytes so far, those included.

        Raises
        ------
        Problem
            If this body is too large (413), or those of all requests together are (503).
        """
        self._in_progress += count
        if received > self.body_bytes:
            raise self.too_large(self.body_bytes)
        if self._in_progress > ALL_BODIES * self.body_bytes:
            raise busy("Too many bodies are being received.")

    def too_large(self, most: int) -> Problem:
        """Return the refusal of a body that is larger than `most` bytes."""
        return Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {most:,} bytes.",
            "Send fewer or smaller pictures; 512 pixels are enough for any encoder.",
        )

    def require_small(self, headers: Headers) -> None:
        """Refuse a body that says that it is too large (413), before any of it is read."""
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.body_bytes:
            raise self.too_large(self.body_bytes)


class Exchange:
    """One request and its answer, observed while the application reads and writes them.

    Attributes
    ----------
    received : int
        Number of bytes of the body so far.
    reading : bool
        Whether the body is incomplete and the application waits for more of it.
    whole : bool
        Whether the request has come whole, with all of its body.
    status : int
        Status of the answer; 0 before the answer has begun.
    """

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        names = {name for name, _ in scope["headers"]}
        self.whole = not names & {b"content-length", b"transfer-encoding"}
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
            self.whole = not self.reading
        return message

    async def body(self, most: int) -> bytes:
        """Receive the whole body.

        Raises
        ------
        Problem
            If it is larger than `most` bytes (413).
        ClientDisconnect
            If the client has gone before its end.
        """
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > most:
                raise self._guard.too_large(most)
            if not message.get("more_body", False):
                return bytes(body)

    async def send(self, message: Message) -> None:
        """Send a part of the answer; the guard's headers are added to its head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in self._guard.headers.items():
                if name != "cache-control" or name not in headers:
                    headers[name] = value
            if not self.whole:
                headers["connection"] = "close"  # What is left of the request could be endless.
            message = {**message, "headers": headers.raw}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless the application has begun an answer."""
        if self.status:
            return
        await problem.response()(self._scope, self.receive, self.send)


def refused_as_foreign(
    headers: Headers, configured: str, *, link: bool = False
) -> HTTPStatus | None:
    """Return the status that refuses a request which a foreign page may have sent.

    Parameters
    ----------
    headers : Headers
        Headers of the request. An application may believe either copy of a repeated header.
        Therefore there must be exactly one `Host`, and every `Origin` and `Sec-Fetch-Site` must be
        the server's own.
    configured : str
        The configured host name in lower case, accepted besides IP addresses and `localhost`.
    link : bool
        Whether the request may be for a page that another page links to.

    Returns
    -------
    HTTPStatus or None
        421 for a host name that a page could make resolve to this machine (DNS rebinding), 403 for
        a page of another origin (cross-site request forgery), and None for a request to answer.

    Examples
    --------
    >>> refused_as_foreign(Headers({"host": "127.0.0.1:8000"}), "localhost") is None
    True
    >>> int(refused_as_foreign(Headers({"host": "attacker.example"}), "localhost"))
    421
    >>> image = Headers({"host": "localhost", "sec-fetch-site": "cross-site"})
    >>> int(refused_as_foreign(image, "localhost"))
    403
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_trusted_host(hosts[0], configured):
        return HTTPStatus.MISDIRECTED_REQUEST
    if not all(is_own_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
        return HTTPStatus.FORBIDDEN
    own = set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}
    if own or (link and _opens_a_page(headers)):
        return None
    return HTTPStatus.FORBIDDEN


def _opens_a_page(headers: Headers) -> bool:
    """Whether a browser shows the answer as a page of its own, which no other page can read."""
    return headers.getlist("sec-fetch-mode") == ["navigate"] and headers.getlist(
        "sec-fetch-dest"
    ) == ["document"]


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first delivers `body`, which has been read already, in parts.

    The application behind a guard so reads the body as if nobody had read it before.
    """
    starts = iter(range(0, max(len(body), 1), _PIECE))

    async def receive_again() -> Message:
        start = next(starts, None)
        if start is None:
            return await receive()
        end = start + _PIECE
        return {"type": "http.request", "body": body[start:end], "more_body": end < len(body)}

    return receive_again
