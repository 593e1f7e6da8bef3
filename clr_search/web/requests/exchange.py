"""One request and its answer, as a guard sees them pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from clr_search.web.problems import Problem

_OWN = frozenset({"cache-control", "content-security-policy"})  # that an answer may set itself


class Bounds(Protocol):
    """What an exchange asks of its guard."""

    headers: Mapping[str, str]

    def take(self, count: int, received: int) -> None:
        """Count bytes of a body, of `received` so far; raise a `Problem` for too many."""

    def too_large(self, most: int) -> Problem:
        """Return the refusal of a body that is larger than `most` bytes."""


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
    counted : int
        Number of bytes of the body that the guard has counted, as sent and as unpacked.
    sent : int
        Number of bytes of the answer's body.
    method : str
        Method of the request; a server that answers HEAD as GET changes it in the scope.
    who : str
        Name of the key, or of the person, that the request came with; empty where it has none.
    """

    def __init__(self, guard: Bounds, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        names = {name for name, _ in scope["headers"]}
        self.whole = not names & {b"content-length", b"transfer-encoding"}
        self.received = self.counted = self.sent = 0
        self.reading = False
        self.status = 0
        self.who, self.method = "", scope["method"]
        self.more_headers: dict[str, str] = {}

    async def receive(self) -> Message:
        """Receive a part of the body, and count its bytes."""
        self.reading = True
        message = await self._receive()
        if message["type"] == "http.request":
            count = len(message.get("body", b""))
            self.received += count
            self.take(count, self.received)
            self.reading = message.get("more_body", False)
            self.whole = not self.reading
        return message

    def take(self, count: int, total: int) -> None:
        """Count bytes of the body, of `total` so far, as `Guard.take` does."""
        self.counted += count
        self._guard.take(count, total)

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
            for name, value in {**self._guard.headers, **self.more_headers}.items():
                if name == "vary":
                    headers.add_vary_header(value)
                elif name not in _OWN or name not in headers:
                    headers[name] = value
            if not self.whole:
                headers["connection"] = "close"  # What is left of the request could be endless.
            message = {**message, "headers": headers.raw}
        elif self.method != "HEAD":
            self.sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless the application has begun an answer."""
        if self.status:
            return
        for_people = "text/html" in Headers(scope=self._scope).get("accept", "")
        answer = problem.page() if for_people else problem.response()
        await answer(self._scope, self.receive, self.send)
