"""ASGI functions that the guards of the HTTP service and of the browser application share.

The types are Starlette's. Starlette is installed with FastAPI (extra ``serve``) and with Gradio
(extra ``app``).
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.web.hosts import is_own_origin, is_trusted_host


async def answer_other_protocol(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a scope that is not HTTP: the lifespan goes to `app`, a websocket is closed."""
    if scope["type"] == "lifespan":
        await app(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})  # policy violation


def refused_as_foreign(headers: Headers, configured: str) -> HTTPStatus | None:
    """Return the status that refuses a request which a foreign page may have sent.

    Parameters
    ----------
    headers : Headers
        Headers of the request. An application may believe either copy of a repeated header.
        Therefore there must be exactly one `Host`, and every `Origin` must be the server's own.
    configured : str
        The configured host name in lower case, accepted besides IP addresses and `localhost`.

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
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_trusted_host(hosts[0], configured):
        return HTTPStatus.MISDIRECTED_REQUEST
    if not all(is_own_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
        return HTTPStatus.FORBIDDEN
    return None


async def read_body(receive: Receive, most: int) -> bytes | None:
    """Read the whole body of a request.

    Returns None where the body is larger than `most` bytes, and empty bytes where the client
    disconnected before its end.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first delivers `body`, which has been read already.

    The application behind a guard so reads the body as if nobody had read it before.
    """
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
