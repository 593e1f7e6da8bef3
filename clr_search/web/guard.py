"""The guard that the HTTP service and the browser application share; each adds its own rules.

It is an ASGI middleware that

* refuses a request with more than one `Host`, and, where a server has no keys, any that a page of
  another origin may have sent: by its `Host` (DNS rebinding), `Origin` or `Sec-Fetch-Site`;
* bounds the bytes of a body, as sent and as unpacked, and those of all bodies in progress together;
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
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.errors import UsageError, shortened
from clr_search.web.hosts import Names, host_name
from clr_search.web.problems import Problem, busy
from clr_search.web.requests.exchange import Exchange
from clr_search.web.requests.foreign import refused_as_foreign

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
    names : Names
        What the server may be addressed as, and by which pages.
    body_bytes : int
        Largest body of a request, in bytes.
    headers : mapping
        Headers of every answer, in lower case; the application may set its own `cache-control` and
        `content-security-policy`.
    below : str
        Path below which a proxy shows the server; it is taken off where the proxy has left it on.
    """

    way_in = "start the server with --allow-host {host}"
    """What to do where a person wants to use a host name that is refused."""

    def __init__(
        self,
        app: ASGIApp,
        names: Names,
        body_bytes: int,
        headers: Mapping[str, str],
        below: str = "",
    ) -> None:
        self.app, self.body_bytes, self.headers = app, body_bytes, headers
        self.names, self._below = names, below
        self._in_progress = 0  # total of the bodies of all requests in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # policy violation
        else:
            scope = self._without_prefix(scope)
            exchange = Exchange(self, scope, receive, send)
            began = time.perf_counter()
            try:
                await self._answered(scope, exchange)
            finally:
                self._in_progress -= exchange.counted
                self.observe(scope, exchange, time.perf_counter() - began)

    def _without_prefix(self, scope: Scope) -> Scope:
        """Return a copy of the scope, without the path below which a proxy shows the server."""
        path = scope["path"]
        if not self._below or not path.startswith(f"{self._below}/"):
            return dict(scope)
        path = path.removeprefix(self._below)
        return {**scope, "path": path, "raw_path": quote(path, errors="replace").encode("ascii")}

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

    def observe(self, scope: Scope, exchange: Exchange, seconds: float) -> None:  # noqa: B027
        """Count a request that is over; its status is 0 where there was no client to answer."""

    def require_own(self, headers: Headers, *, link: bool = False, any_host: bool = False) -> None:
        """Refuse a request that a page of another origin may have sent.

        Parameters
        ----------
        headers : Headers
            Headers of the request.
        link : bool
            Whether it may be a page that is opened by a link on any other page.
        any_host : bool
            Whether it may be for any host, as a login keeps foreign names out.

        Raises
        ------
        Problem
            If the request is for a host name that a page could make resolve to this machine (421),
            or a browser says that it comes from another origin (403).
        """
        status = refused_as_foreign(headers, self.names, link=link, any_host=any_host)
        if status is HTTPStatus.MISDIRECTED_REQUEST:
            host = _quoted(headers.get("host", ""), "NAME")
            raise Problem(
                status,
                f"This server is not known by the name {host}: only addresses, localhost and the "
                "names that it was started with are answered, so that no page can reach it by a "
                "name of its own.",
                f"Use the address, or {self.way_in.format(host=host)}.",
            )
        if status is not None:
            origin = headers.get("origin", "")
            host = _quoted(origin.partition("://")[2], "NAME")
            raise Problem(
                status,
                "A page of another origin has sent this request; only pages of the server itself "
                "are answered.",
                "Behind a proxy, let it pass the header Host on, and "
                f"{self.way_in.format(host=host)}.{self._for_other_pages(origin)}",
            )

    def _for_other_pages(self, origin: str) -> str:
        """Return what to do where a page of another origin is to be answered; empty for nothing."""
        return ""

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


def _quoted(host: str, otherwise: str) -> str:
    """Return the host name of a header where it is one; it is repeated in a message."""
    name = host if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        return host_name(name)
    except UsageError:
        return otherwise


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
