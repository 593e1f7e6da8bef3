"""The guard in front of Gradio: it answers only requests that this page sends.

Gradio is a framework for public demos: it can fetch addresses that a client names, relay other
servers, record runs, and offer an API. Private photographs must not be exposed to any of that.
Beside what every guard does (`web.guard`), this one

* answers only the routes the page uses (`GET_EXACT`, `GET_PREFIXES`, `POST_ROUTES`);
* answers only requests addressed to an IP address, `localhost` or the configured host, so that a
  web page cannot reach the server through a name that it makes resolve to 127.0.0.1 (DNS
  rebinding), and none from a page of another origin, save a link to the page itself;
* hands on a message or an upload only once it has come whole, so that an upload that is broken off
  never reaches the disk;
* refuses messages that name an event the page does not have, or a file by an address
  (`http://…`), which Gradio would download;
* forbids the browser, by a content security policy, to load anything from another server.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Container, Iterator
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search import images
from clr_search.web import guard
from clr_search.web.problems import Problem
from clr_search.web.uploads import Uploads

API = "/gradio_api"
GET_EXACT = frozenset(
    {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
    | {f"{API}/{name}" for name in ("queue/data", "startup-events", "theme.css", "upload_progress")}
)
FILE_PREFIX = f"{API}/file="
GET_PREFIXES = ("/assets/", "/static/", "/svelte/", f"{API}/heartbeat/", FILE_PREFIX)
EVENTS = f"{API}/queue/join"
UPLOAD = f"{API}/upload"
POST_ROUTES = frozenset({EVENTS, UPLOAD, f"{API}/cancel", f"{API}/reset"})

MAX_MESSAGE_BYTES = 64 * 1024
"""Largest event message in bytes; pictures are uploaded by another route, and only named here."""

MAX_VALUES = 1000
"""Bound on the number of values in a message, each of which takes much more memory than bytes."""

MAX_UPLOAD_BYTES = min(images.MAX_BYTES, 64 * 2**20)
"""Largest upload in bytes; photographs straight from a camera are smaller."""

FRAMING_BYTES = 64 * 1024
"""Bytes that a form may have besides the file in it."""

MAX_PATH = 4096
"""Largest length of a path and of a query; those of the page are shorter."""

SECONDS = 60.0
"""Longest time in which a message or an upload must have come whole."""

HEADERS = {
    # Gradio needs unsafe-eval, since it compiles templates to functions in the browser. Nothing is
    # loaded from, or sent to, any other origin.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_ADDRESS = re.compile(r"^\s*[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


class Guard(guard.Guard):
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    uploads : Uploads
        The folder in which Gradio stores uploads.
    events : container of int
        Numbers of the events that the page has.
    host : str
        The configured host, a name that a `Host` header may have.
    """

    def __init__(
        self, app: ASGIApp, uploads: Uploads, events: Container[int], host: str = "127.0.0.1"
    ) -> None:
        super().__init__(app, host, MAX_UPLOAD_BYTES + FRAMING_BYTES, HEADERS)
        self._uploads, self._events = uploads, events

    async def answer(self, scope: Scope, headers: Headers, exchange: guard.Exchange) -> None:
        """Pass on a request that this page sends, with a body that has come whole."""
        method, path = scope["method"], scope["path"]
        self.require_own(headers, link=method == "GET" and path == "/")
        status = check_route(method, path)
        if status is None and len(scope["query_string"]) > MAX_PATH:
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        if status is not None:
            raise Problem(status, "The page has no such address.")
        if method != "POST":
            await self.app(scope, exchange.receive, exchange.send)
            return
        self.require_small(headers)
        try:
            async with asyncio.timeout(SECONDS):
                body = await exchange.body(self.body_bytes if path == UPLOAD else MAX_MESSAGE_BYTES)
        except TimeoutError:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT, f"The request took longer than {SECONDS:g} s."
            ) from None
        receive = guard.replayed(body, exchange.receive)
        if path == UPLOAD:
            await self._store(scope, receive, exchange.send, len(body))
            return
        status = check_message(body, self._events if path == EVENTS else None)
        if status is not None:
            raise Problem(status, "The message is none of this page's.")
        await self.app(scope, receive, exchange.send)

    async def _store(self, scope: Scope, receive: Receive, send: Send, count: int) -> None:
        """Let Gradio store an upload of `count` bytes, and then send its answer.

        A client that is slow to read the answer does not keep others from uploading.
        """
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            answer.append(message)

        async with self._uploads.room_for(count):
            await self.app(scope, receive, collect)
        for message in answer:
            await send(message)


def check_route(method: str, path: str) -> HTTPStatus | None:
    """Return the status that refuses a route, or None where the page needs it.

    Examples
    --------
    >>> check_route("GET", "/") is None
    True
    >>> int(check_route("GET", "/docs"))
    404
    """
    if method == "POST":
        return None if path in POST_ROUTES else HTTPStatus.NOT_FOUND
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED
    if len(path) > MAX_PATH or not path.isprintable():
        return HTTPStatus.NOT_FOUND
    if path.startswith(FILE_PREFIX):
        return HTTPStatus.FORBIDDEN if is_address(path.removeprefix(FILE_PREFIX)) else None
    return None if path in GET_EXACT or path.startswith(GET_PREFIXES) else HTTPStatus.NOT_FOUND


def check_message(body: bytes, events: Container[int] | None = None) -> HTTPStatus | None:
    """Return the status that refuses a message, or None for an acceptable one.

    A message is refused if it holds too many values (413), is not JSON (400), names an event that
    the page does not have (404), or a file by a network address (403).

    Parameters
    ----------
    body : bytes
        The whole body.
    events : container of int, optional
        Numbers of the events, one of which the message must name.

    Examples
    --------
    >>> check_message(b'{"data": [{"path": "/tmp/upload.jpg"}]}') is None
    True
    >>> int(check_message(b'{"data": [{"path": "http://example.com/a.jpg"}]}'))
    403
    >>> int(check_message(b'{"data": [], "fn_index": 999}', events={1, 2}))
    404
    """
    if sum(map(body.count, (b",", b"[", b"{"))) >= MAX_VALUES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return HTTPStatus.BAD_REQUEST
    if any(is_address(path) for path in _paths(message)):
        return HTTPStatus.FORBIDDEN
    number = message.get("fn_index") if isinstance(message, dict) else None
    if events is not None and (type(number) is not int or number not in events):
        return HTTPStatus.NOT_FOUND
    return None


def is_address(path: str) -> bool:
    """Whether a path begins like a network address, with ``scheme:/``, and is not a local file.

    Examples
    --------
    >>> is_address("http://example.com/a.jpg"), is_address("/tmp/a.jpg"), is_address("C:/a.jpg")
    (True, False, False)
    """
    return _ADDRESS.match(path) is not None


def _paths(message: object) -> Iterator[str]:
    """Yield every value of a key ``path`` at any depth of a JSON message."""
    stack = [message]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            path = item.get("path")
            if isinstance(path, str):
                yield path
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
