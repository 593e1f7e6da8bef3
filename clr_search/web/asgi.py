"""What the guards of the service and of the page have in common, as ASGI, on Starlette's types.

Starlette comes with FastAPI, of the extra ``serve``, and with Gradio, of the extra ``app``.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clr_search.web.hosts import is_own_origin, is_trusted_host


async def answer_other_protocol(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not HTTP: a lifespan is the application's, and websockets are closed."""
    if scope["type"] == "lifespan":
        await app(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})  # policy violation


def refused_as_foreign(headers: Headers, configured: str) -> HTTPStatus | None:
    """Status to refuse a request with that a foreign page may have sent, or None.

    Parameters
    ----------
    headers : Headers
        Of the request. Where a header is there twice, an application may believe either: there must
        be one `Host`, and every `Origin` must be the server's own.
    configured : str
        A host name that is answered to, beside addresses and `localhost`; in lower case.

    Returns
    -------
    HTTPStatus or None
        421 for a name that a page could make resolve to this machine (DNS rebinding); 403 for a
        page of another origin (cross-site request forgery).
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_trusted_host(hosts[0], configured):
        return HTTPStatus.MISDIRECTED_REQUEST
    if not all(is_own_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
        return HTTPStatus.FORBIDDEN
    return None


async def read_body(receive: Receive, most: int) -> bytes | None:
    """Read a whole body; None where it is larger than `most` bytes, empty where the client left."""
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
    """Give a body that has been read to the application, as if it had only now come."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
