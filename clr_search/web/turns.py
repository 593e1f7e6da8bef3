"""Reading from connections on which much has come, in turns."""

from __future__ import annotations

import array
import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

if sys.platform != "win32":
    import fcntl
    import termios

READ_AT_ONCE = 4
"""Number of connections in turn that are read from before all others are looked at again.

Each reading takes up to 256 kB, the size of the buffers of asyncio and of uvloop.
"""

SHORT = 64 * 1024
"""Largest number of bytes that are read without waiting for a turn; a head has no more."""


class Turns:
    """The connections that wait to be read from, in the order in which they came.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop that the connections belong to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, read: Callable[[], None]) -> None:
        """Call a function when its turn comes, at the earliest in the loop's next round."""
        self._waiting.append(read)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        """Call those whose turn it is."""
        for _ in range(min(READ_AT_ONCE, len(self._waiting))):
            self._waiting.popleft()()
        if self._waiting:
            self._loop.call_soon(self._next)


class InTurn(FlowControl):
    """uvicorn's control of when a connection is read from, in turns where much has come.

    Parameters
    ----------
    transport : asyncio.Transport
        The transport of the connection.
    turns : Turns
        Those that wait.
    """

    def __init__(self, transport: asyncio.Transport, turns: Turns) -> None:
        super().__init__(transport)
        self._turns = turns
        self._waits = False  # whether it is to be read from, and it is not its turn yet

    def pause_reading(self) -> None:
        """Read no more, also when the turn of the connection has come."""
        self._waits = False
        super().pause_reading()

    def resume_reading(self) -> None:
        """Read again: at once if little has come, and else when its turn has come."""
        if not self.read_paused or self._waits:
            return
        pair: socket.socket | None = self._transport.get_extra_info("socket")
        if pair is None or unread(pair) <= SHORT:
            super().resume_reading()
        else:
            self._waits = True
            self._turns.wait(self._read)

    def _read(self) -> None:
        """Read, unless that is not wanted any more."""
        if self._waits:
            self._waits = False
            super().resume_reading()


def unread(pair: socket.socket) -> int:
    """Return the number of bytes that have come on a connection, and have not been read.

    It is 0 where the system does not tell, and for a connection that has ended.
    """
    if sys.platform == "win32":
        return 0
    count = array.array("i", [0])
    try:
        fcntl.ioctl(pair.fileno(), termios.FIONREAD, count)
    except (OSError, ValueError):  # A ValueError: it has been closed.
        return 0
    return count[0]


def reset(pair: socket.socket) -> None:
    """Let a connection be reset when it is closed, and not wait for the client to read.

    Without it Linux keeps answers that the client leaves unread, and the end of the connection
    behind them, until the client has room for them, and for minutes where it never has.
    """
    pair.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
