"""Connections: how many, and how long and how much one may send before it asks for anything."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 500
"""Connections at a time: half the files that a process may open on Linux unless told otherwise."""

HEAD = 10.0
"""Seconds for the head of a request."""

HEAD_BYTES = 64 * 1024
"""Bytes after which a head must have come to its end."""

KEEP_ALIVE = 15
"""Seconds that a client may be silent after an answer."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """uvicorn's, with bounds where it has none: how many there are, and until a head is complete.

    The time runs from the connection on, and after each answer anew. From a head to its answer the
    guard counts.
    """

    _deadline: asyncio.TimerHandle | None = None
    _head = -1  # bytes of one that has begun; -1 where none has, or it is complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.write(_FULL)
            transport.close()
        else:
            self._allow(HEAD)

    def data_received(self, data: bytes) -> None:
        """Parse, unless it is a head without an end."""
        super().data_received(data)
        if self._head >= 0:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head = -1
        self._allow(None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next head, unless it is there."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._allow(KEEP_ALIVE + HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._allow(None)
        super().connection_lost(exc)

    def _allow(self, seconds: float | None) -> None:
        """Cut the connection after some time, or not."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )
