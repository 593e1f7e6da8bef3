"""Bounds on connections: their number, and the bytes and seconds that each may take.

uvicorn bounds neither the head of a request nor what comes between and behind the parts of its
body: the lengths of chunks, their extensions, and the trailers, which it appends to the headers
even after the answer. Here every byte outside of bodies is counted, trailers are dropped, and a
client that is slow to send or to read is cut off. A connection whose request was answered before
its body had come whole is closed, since the rest of the body could be endless.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clr_search.web.turns import InTurn, Turns, reset

MOST = 500
"""Largest number of connections at a time: about half of the 1,024 files that Linux lets a process
open by default."""

HEAD = 10.0
"""Seconds in which the head of a request must be complete: the request line with the headers."""

HEAD_BYTES = 64 * 1024
"""Largest size in bytes of a head, and of all that a request has besides its head and its body."""

HEADERS = 200
"""Largest number of headers of a request, its trailers included."""

FRAMING = 8
"""A body that comes in chunks may have one byte of framing for so many bytes of content."""

PIPELINED = 64
"""Largest number of requests that a client may send ahead of their answers."""

KEEP_ALIVE = 15
"""Seconds for which a connection without a request stays open after an answer."""

STALLED = 30.0
"""Seconds in which a client must have read an answer that is waiting to be sent."""

LINGER = 2.0
"""Seconds for which what a client still sends is discarded, once it has got its last answer.

A connection that is closed with unread bytes is reset, and a client that is still sending might
never see the answer that says why it should stop.
"""

LAST_CALL = 0.5
"""Seconds for which a stopping server still answers what its connections have on the way to it.

A connection that was accepted, or that was kept open, may carry a request that has not been read.
"""

_DISCARDED = 4 * 2**20  # Bytes discarded meanwhile; beyond them, nothing is read any more.


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with the bounds that the module describes.

    The time limit for the head begins with the connection, and anew after each answer. Between
    the head and the answer, `guard.Guard` limits the time.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _outside = 0  # bytes of the present request that are not of its body
    _body = 0  # bytes of its body
    _fields = 0  # number of its headers and trailers
    _in_head = True  # whether the head of the present request is not complete yet
    _cause = HTTPStatus.BAD_REQUEST  # why the parser was stopped
    _leaving = False  # whether the last answer has been given
    _answered = 0  # number of answers
    _since = 0.0  # since when the client is waited for
    _stopping = False  # whether the next answer is the last one

    def __init__(self, *args: Any, turns: Turns | None = None, **named: Any) -> None:
        super().__init__(*args, **named)
        self._turns = turns or Turns(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or answer 503 where there are too many.

        A connection takes the place of one whose client is waited for, so that clients who open
        many and ask for nothing do not keep others out.
        """
        super().connection_made(transport)
        self.flow = InTurn(transport, self._turns)
        self._chunks: list[bytes] = []  # of the body, that have not been handed on
        self._since = self.loop.time()
        if len(self.connections) > MOST and not self._take_a_place():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._allow(HEAD)

    def _take_a_place(self) -> bool:
        """Abort connections whose clients are waited for the longest; return whether there are any.

        Those that have not asked for anything yet are the first, those that send a body the last.
        """
        waiting = [
            other
            for other in self.connections
            if isinstance(other, Connection) and other is not self and not other._owes_an_answer()
        ]
        if not waiting:
            return False
        # Some are taken at once, so that not every new connection has to look at all others.
        for other in heapq.nsmallest(
            max(1, MOST // 16),
            waiting,
            key=lambda other: (not other._in_head, other._answered > 0, other._since),
        ):
            self.connections.discard(other)
            other.transport.abort()
        return True

    def _owes_an_answer(self) -> bool:
        """Whether a request has come whole, and its answer is not complete."""
        cycle = self.cycle
        unanswered = cycle is not None and not cycle.response_complete
        return bool(self.pipeline) or (unanswered and not cycle.more_body)

    # -- bytes

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and refuse a request that has too many outside of its body."""
        self._outside += len(data)
        if self._leaving:
            if self._outside > _DISCARDED:
                self.flow.pause_reading()
            return
        super().data_received(data)
        self._hand_on()
        self._outside = max(self._outside, 0)  # The last bytes may have been of two requests.
        if self._outside > HEAD_BYTES + self._body // FRAMING:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request, unless too many are waiting for their answers already."""
        if len(self.pipeline) >= PIPELINED:
            raise self._stop(HTTPStatus.TOO_MANY_REQUESTS)
        self._fields = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header to the request; a trailer is dropped, as nothing here reads any."""
        self._fields += 1
        if self._fields > HEADERS:
            raise self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the time limit of the head, and hand the request to the application."""
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False
        self.cycle.transport = _Answering(self)  # type: ignore[assignment]
        self._in_head = False
        self._allow(None)

    def on_body(self, body: bytes) -> None:
        """Count the bytes as part of the body, and keep them until all that has come is parsed."""
        self._outside -= len(body)
        self._body += len(body)
        self._chunks.append(body)

    def _hand_on(self) -> None:
        """Hand what has come of a body to the application, in one piece.

        uvicorn adds each chunk to what waits by copying all of it: 256 kB of small chunks were
        copied a hundred times over, while all other connections waited.
        """
        if self._chunks:
            whole = b"".join(self._chunks)
            self._chunks.clear()
            self._since = self.loop.time()
            super().on_body(whole)

    def on_message_complete(self) -> None:
        """End the request; what comes from now on is of the next one."""
        self._hand_on()
        super().on_message_complete()
        self._outside = self._body = 0
        self._in_head = True

    def on_response_complete(self) -> None:
        """Start the time limit for the next head, unless the client has sent it already."""
        super().on_response_complete()
        self._answered += 1
        self._since = self.loop.time()
        if self.cycle.response_complete and not self._leaving:
            if self.cycle.more_body:
                self._leave()
            else:
                self._allow(KEEP_ALIVE + HEAD)

    # -- the end

    def shutdown(self) -> None:
        """End the connection, as the server stops, after the requests that are on their way."""
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self._allow(LAST_CALL)
        else:
            self.cycle.keep_alive = False

    def _stop(self, cause: HTTPStatus) -> ValueError:
        """Return the exception that stops the parser; `cause` is the status to answer with."""
        self._cause = cause
        return ValueError(cause.phrase)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or was stopped at."""
        self._refuse(self._cause)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with a status and close; abort where another answer is being given."""
        if self._leaving or self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body or self.pipeline:
                self._reset()
                return
            cycle.disconnected = True  # The application learns that nobody waits for its answer.
            cycle.message_event.set()
        again = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\n{again}"
            "connection: close\r\ncontent-length: 0\r\n\r\n".encode("ascii")
        )
        self._leave()

    def close(self) -> None:
        """Close after an answer; if its request has not come whole, discard what still comes."""
        if self.cycle is not None and self.cycle.more_body:
            self._leave()
        else:
            self._allow(STALLED)
            self.transport.close()

    def _leave(self) -> None:
        """Say that no further answer follows, and close once the client has had time to see it."""
        if self._leaving or self.transport.is_closing():
            return
        self._leaving, self._outside = True, 0
        self._allow(LINGER)
        self.flow.resume_reading()
        self.transport.write_eof()

    def _reset(self) -> None:
        """Abort, and throw away what the system keeps of answers that the client leaves unread."""
        pair: socket.socket | None = self.transport.get_extra_info("socket")
        if pair is not None and not self.transport.is_closing():
            reset(pair)
        self.transport.abort()

    def pause_writing(self) -> None:
        """Limit the time for which the client may leave an answer unread."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED, self._reset)

    def resume_writing(self) -> None:
        """Lift that limit, as the client reads."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limits of a connection that has ended."""
        self._allow(None)
        super().connection_lost(exc)  # This calls `resume_writing`.

    def _allow(self, seconds: float | None) -> None:
        """Set the time in seconds after which the connection is aborted; None for no limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )


class _Answering:
    """The side of a connection that answers are written to, in the place of its transport."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Write bytes of an answer, unless the last answer has been given."""
        if not self._connection._leaving:
            self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._connection._leaving or self._connection.transport.is_closing()

    def close(self) -> None:
        """Close the connection after what has been written."""
        self._connection.close()
