"""The guard in front of Gradio: it answers only requests that this page sends.

Gradio is a framework for public demos: it can fetch addresses that a client names, relay other
servers, record runs, and offer an API. Private photographs must not be exposed to any of that.
Beside what every guard does (`web.guard`), this one

* answers only the routes the page uses (`GET_EXACT`, `GET_PREFIXES`, `POST_ROUTES`);
* answers only requests with a login, where there are logins, or else those addressed to an IP
  address, `localhost` or an allowed name, so that a web page cannot reach the server through a name
  that it makes resolve to 127.0.0.1 (DNS rebinding);
* answers none from a page of another origin, save a link to the page itself;
* hands on a message or an upload only once it has come whole, so that an upload that is broken off
  never reaches the disk; Gradio's own uploads are not answered;
* refuses messages that name an event or a function the page does not have, or a file by an address
  (`http://…`), which Gradio would download;
* forbids the browser, by a content security policy, to load anything from another server.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from clr_search import images
from clr_search.app.messages import Events, is_address
from clr_search.web import guard
from clr_search.web.hosts import Names
from clr_search.web.problems import Problem
from clr_search.web.requests.exchange import Exchange
from clr_search.web.requests.login import CHALLENGE, Logins

API = "/gradio_api"
GET_EXACT = frozenset(
    {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
    | {f"{API}/{name}" for name in ("queue/data", "startup-events", "theme.css", "info")}
)
FILE_PREFIX = f"{API}/file="
OWN = "/clr/"
GET_PREFIXES = ("/assets/", "/static/", "/svelte/", f"{API}/heartbeat/", FILE_PREFIX, OWN)
EVENTS = f"{API}/queue/join"
QUESTIONS = frozenset({f"{API}/component_server", f"{API}/component_server/"})
UPLOAD, EXPORT, LABELS, COPIES = (
    f"{OWN}{name}" for name in ("upload", "export", "labels", "copies")
)
TOOLS = f"{OWN}mcp"
"""Where agents post their messages; see `programs.tools`."""

POST_ROUTES = frozenset({EVENTS, UPLOAD, EXPORT, LABELS, COPIES, TOOLS, *QUESTIONS})

MAX_MESSAGE_BYTES = 64 * 1024
"""Largest event message in bytes; pictures are uploaded by another route, and only named here."""


MAX_LABELS_BYTES = 16 * 2**20
"""Largest table of labels in bytes."""

MAX_CALL_BYTES = 16 * 2**20
"""Largest message of an agent in bytes, which may bring a picture as text."""

MAX_UPLOAD_BYTES = min(images.MAX_BYTES, 64 * 2**20)
"""Largest upload in bytes; photographs straight from a camera are smaller."""

MAX_PATH = 4096
"""Largest length of a path and of a query; those of the page are shorter."""

SECONDS = 60.0
"""Longest time in which a message or an upload must have come whole."""

GUESSING = 1.0
"""Seconds for which an answer to a wrong password is held back."""

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


class Guard(guard.Guard):
    """The ASGI middleware that the module describes.

    Parameters
    ----------
    app : ASGIApp
        The application behind the guard.
    events : Events
        What a browser may ask of the page.
    names : Names
        What the page may be addressed as.
    logins : Logins, optional
        Who may use the page; everybody whom it answers where there are none.
    below : str
        Path below which a proxy shows the page.
    """

    way_in = "start the app with --allow-host {host}, or with --auth FILE"

    def __init__(
        self,
        app: ASGIApp,
        events: Events,
        names: Names | None = None,
        logins: Logins | None = None,
        below: str = "",
    ) -> None:
        names = names or Names()
        super().__init__(app, names, MAX_UPLOAD_BYTES, HEADERS, below)
        self._events, self._logins = events, logins

    async def answer(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        """Pass on a request that this page sends, with a body that has come whole."""
        method, path = scope["method"], scope["path"]
        link = method == "GET" and path == "/"
        self.require_own(headers, link=link, any_host=self._logins is not None)
        await self._require_login(headers, exchange)
        _name_as_the_page_does(scope, headers)
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
                large = {
                    UPLOAD: self.body_bytes,
                    LABELS: MAX_LABELS_BYTES,
                    TOOLS: MAX_CALL_BYTES,
                }
                most = large.get(path, MAX_MESSAGE_BYTES)
                body = await exchange.body(most)
        except TimeoutError:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT, f"The request took longer than {SECONDS:g} s."
            ) from None
        status = None if path in large else self._events.refusal(path, body)
        if status is not None:
            raise Problem(status, "The message is none of this page's.")
        await self.app(scope, guard.replayed(body, exchange.receive), exchange.send)

    async def _require_login(self, headers: Headers, exchange: Exchange) -> None:
        """Refuse a request without a login, where there are logins."""
        if self._logins is None:
            return
        given = headers.getlist("authorization")
        who = self._logins.who(given[0]) if len(given) == 1 else None
        if who is None:
            if given:
                await asyncio.sleep(GUESSING)
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "This page asks for a name and a password.",
                "Who runs it has them, in the file that was given as --auth.",
                CHALLENGE,
            )
        exchange.who = who


def _name_as_the_page_does(scope: Scope, headers: Headers) -> None:
    """Put the host of an own origin into a request whose proxy has put its own host there.

    Gradio refuses a request for this machine whose origin is another one.
    """
    host = headers.get("origin", "").partition("://")[2]
    if host and host != headers["host"]:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [*others, (b"host", host.encode("latin-1"))]


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
