"""A guard in front of Gradio: only what this page needs, only from this page.

Gradio is a framework for public demos: it can fetch addresses that a client names, relay other
servers, record runs, show an API. None of that has a place in front of somebody's photographs. The
guard is a small ASGI middleware that

* answers only the routes the page uses (`GET_EXACT`, `GET_PREFIXES`, `POST_ROUTES`);
* answers only requests addressed to an IP address, `localhost` or the configured host, so that a
  web page cannot reach the server through a name that it makes resolve to 127.0.0.1 (DNS
  rebinding), and only posts whose `Origin` is the page itself (cross-site request forgery);
* refuses event messages in which a file is an address (`http://…`): Gradio would download it;
* tells the browser, by a content security policy, to load nothing from anywhere else.
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
"""Largest event message; pictures come through the upload route, messages only name them."""

HEADERS = {
    # Gradio builds functions from templates in the browser, hence unsafe-eval; nothing is loaded
    # from, or sent to, any other origin.
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
    """ASGI middleware; see the module's description.

    Parameters
    ----------
    app : ASGIApp
        The application behind it.
    host : str
        Host the server was asked to listen on; a name given there is answered to.
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
        foreign = refused_as_foreign(Headers(scope=scope), self._host)
        return foreign or check_route(scope["method"], scope["path"])


def check_route(method: str, path: str) -> HTTPStatus | None:
    """Status to refuse a request with, or None where the page needs this route."""
    if method == "POST":
        return None if path in POST_ROUTES else HTTPStatus.NOT_FOUND
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED
    if path.startswith(FILE_PREFIX):
        return HTTPStatus.FORBIDDEN if is_address(path.removeprefix(FILE_PREFIX)) else None
    return None if path in GET_EXACT or path.startswith(GET_PREFIXES) else HTTPStatus.NOT_FOUND


def check_message(body: bytes | None) -> HTTPStatus | None:
    """Status to refuse an event message with: too large, no JSON, or a file named by an address.

    Parameters
    ----------
    body : bytes or None
        The whole body; None where it was larger than `MAX_MESSAGE_BYTES`.
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
    """Whether a path begins like a network address (``scheme:/``) rather than a local file."""
    return _ADDRESS.match(path) is not None


def _paths(message: object) -> Iterator[str]:
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
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in HEADERS.items():
                headers.append(name, value)  # beside Gradio's own: browsers obey the stricter
            message = {**message, "headers": headers.raw}
        await send(message)

    return sending


def _refusal(status: HTTPStatus) -> ASGIApp:
    return PlainTextResponse(f"{status.value} {status.phrase}\n", status)
