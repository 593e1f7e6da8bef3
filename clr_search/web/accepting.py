"""Taking connections, and reading from those on which much has come, in turns.

libuv takes one connection each time that it has looked at all others, and all of what has come on
these is read first. Clients that send megabytes and go away without waiting for an answer could
have hundreds of connections queue in the system, each of which was worked through before a later
client was as much as taken. Here those that wait are taken at once, and a connection on which more
has come than the longest head waits for its turn to be read from. So what is short is read soon,
however much else there is.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from clr_search.errors import ClrSearchError
from clr_search.web.connections import MOST, Connection
from clr_search.web.listening import BACKLOG
from clr_search.web.turns import SHORT, Turns, reset, unread

logger = logging.getLogger(__name__)

AT_ONCE = 64
"""Largest number of connections that are taken before those taken earlier are looked at again."""

_AGAIN = 1.0  # Seconds after which connections are taken again, where no file could be opened.


class _Door:
    """Takes the connections of a listening socket; what uvicorn asks of an `asyncio.Server`.

    A connection that has brought a body already is handed to its protocol when its turn comes,
    since both event loops read from a connection as soon as it has one.
    """

    def __init__(
        self, listening: socket.socket, protocol: Callable[[], Connection], turns: Turns
    ) -> None:
        self._listening, self._protocol, self._turns = listening, protocol, turns
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[socket.socket] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        listening.setblocking(False)
        listening.listen(BACKLOG)  # A supervisor may have asked for fewer.
        self._open()

    def _open(self) -> None:
        """Take connections from now on."""
        self._later = None
        self._loop.add_reader(self._listening, self._take)

    def _take(self) -> None:
        """Take those that wait."""
        for _ in range(AT_ONCE):
            try:
                taken, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # No more files can be opened, or the system lacks memory.
                logger.error("No connection can be taken now: %s", error)
                self._loop.remove_reader(self._listening)
                self._later = self._loop.call_later(_AGAIN, self._open)
                return
            if unread(taken) <= SHORT:
                self._hand(taken)
            elif len(self._waiting) < MOST:
                self._waiting.append(taken)
                self._turns.wait(self._hand_next)
            else:
                reset(taken)
                taken.close()

    def _hand_next(self) -> None:
        """Hand on the connection that has waited the longest."""
        if self._waiting:
            self._hand(self._waiting.popleft())

    def _hand(self, taken: socket.socket) -> None:
        """Hand a connection to its protocol."""
        starting = self._loop.create_task(self._start(taken))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start(self, taken: socket.socket) -> None:
        """Give a connection its protocol, which learns whether the server is stopping."""
        try:
            _, connection = await self._loop.connect_accepted_socket(self._protocol, taken)
        except OSError:  # The client has gone already.
            taken.close()
            return
        if self._closed:
            connection.shutdown()

    def close(self) -> None:
        """Take no more; those that were taken are answered."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        while self._waiting:
            self._hand_next()

    async def wait_closed(self) -> None:
        """Return at once, since uvicorn waits for the connections themselves."""


class Server(uvicorn.Server):
    """uvicorn's server, whose connections are taken as the module describes.

    It does so for sockets that it is given, and not on Windows, where the event loop has no
    readers.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and take connections."""
        if not sockets or sys.platform == "win32":
            await super().startup(sockets)
            return
        await super().startup([])
        turns = Turns(asyncio.get_running_loop())

        def protocol() -> Connection:
            state, shared = self.server_state, self.lifespan.state
            return Connection(self.config, state, shared, turns=turns)

        self.servers = [_Door(each, protocol, turns) for each in sockets]  # type: ignore[misc]


@contextmanager
def serving_aside(config: uvicorn.Config, listening: socket.socket) -> Iterator[None]:
    """Serve from a thread during the context; the socket is closed at its end.

    Raises
    ------
    ClrSearchError
        If the application does not start.
    """
    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise ClrSearchError("The server did not start.", "Its log above says why.")
            time.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
