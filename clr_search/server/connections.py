"""Bounds on connections: their number, and the time and bytes in which a request's head must come.

The head is the request line with the headers. Without these bounds, clients that send slowly or
never could hold every connection.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 500
"""Largest number of connections at a time: about half of the 1,024 files that Linux lets a process
open by default."""

HEAD = 10.0
"""Seconds in which the head of a request must be complete."""

HEAD_BYTES = 64 * 1024
"""Largest size in bytes of the head of a request."""

KEEP_ALIVE = 15
"""Seconds for which a connection without a request stays open after an answer."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with bounds on the number of connections and on the head of a request.

    The time limit for the head begins with the connection, and anew after each answer. Between
    the head and the answer, `guard.Guard` limits the time.
    """

    _deadline: asyncio.TimerHandle | None = None
    _head = -1  # bytes of the head so far; -1 while no head is being received

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or answer 503 where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.write(_FULL)
            transport.close()
        else:
            self._allow(HEAD)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and abort the connection where a head grows too large."""
        super().data_received(data)
        if self._head >= 0:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Count the bytes of a new head from 0."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the time limit, as the head is complete."""
        self._head = -1
        self._allow(None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Start the time limit for the next head, unless the client has sent it already."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._allow(KEEP_ALIVE + HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit of a connection that has ended."""
        self._allow(None)
        super().connection_lost(exc)

    def _allow(self, seconds: float | None) -> None:
        """Set the time in seconds after which the connection is aborted; None for no limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )
