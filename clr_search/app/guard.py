"""The guard in front of Gradio: it answers only requests that this page sends.

Gradio is a framework for public demos: it can fetch addresses that a client names, relay other
servers, record runs, and offer an API. Private photographs must not be exposed to any of that. The
guard is a small ASGI middleware that

* answers only the routes the page uses (`GET_EXACT`, `GET_PREFIXES`, `POST_ROUTES`);
* answers only requests addressed to an IP address, `localhost` or the configured host, so that a
  web page cannot reach the server through a name that it makes resolve to 127.0.0.1 (DNS
  rebinding), and only posts whose `Origin` is the page itself (cross-site request forgery);
* refuses event messages that name a file by an address (`http://…`), which Gradio would download;
* forbids the browser, by a content security policy, to load anything from another server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.web.asgi import answer_other_protocol, read_body, refused_as_foreign, replayed

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

MAX_MESSAGE_BYTES = 256 * 1024
"""Largest event message in bytes; pictures are uploaded by another route, and only named here."""

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


class Guard:
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    host : str
        The configured host, a name that a `Host` header may have.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1") -> None:
        self._app = app
        self._host = host.strip("[]").lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await answer_other_protocol(self._app, scope, receive, send)
            return
        status = self._check(scope)
        if status is None and scope["path"] == EVENTS:
            body = await read_body(receive, MAX_MESSAGE_BYTES)
            status = check_message(body)
            receive = replayed(body or b"", receive)
        answer = self._app if status is None else _refusal(status)
        await answer(scope, receive, _with_headers(send))

    def _check(self, scope: Scope) -> HTTPStatus | None:
        """Return the status that refuses a request by its headers or its route, or None."""
        foreign = refused_as_foreign(Headers(scope=scope), self._host)
        return foreign or check_route(scope["method"], scope["path"])


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
    if path.startswith(FILE_PREFIX):
        return HTTPStatus.FORBIDDEN if is_address(path.removeprefix(FILE_PREFIX)) else None
    return None if path in GET_EXACT or path.startswith(GET_PREFIXES) else HTTPStatus.NOT_FOUND


def check_message(body: bytes | None) -> HTTPStatus | None:
    """Return the status that refuses an event message, or None for an acceptable one.

    A message is refused if it is too large (413), is not JSON (400), or names a file by a network
    address (403).

    Parameters
    ----------
    body : bytes or None
        The whole body; None where it was larger than `MAX_MESSAGE_BYTES`.

    Examples
    --------
    >>> check_message(b'{"data": [{"path": "/tmp/upload.jpg"}]}') is None
    True
    >>> int(check_message(b'{"data": [{"path": "http://example.com/a.jpg"}]}'))
    403
    """
    if body is None:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return HTTPStatus.BAD_REQUEST
    if any(is_address(path) for path in _paths(message)):
        return HTTPStatus.FORBIDDEN
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


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds `HEADERS` to the head of the answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in HEADERS.items():
                headers.append(name, value)  # Browsers obey the stricter of two.
            message = {**message, "headers": headers.raw}
        await send(message)

    return sending


def _refusal(status: HTTPStatus) -> ASGIApp:
    """Return an application that answers with a status and its name."""
    return PlainTextResponse(f"{status.value} {status.phrase}\n", status)
