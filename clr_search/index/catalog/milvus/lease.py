"""`Lease`: the right of one process on one machine to write to a collection on a server.

Milvus has no locks. A writer therefore keeps a row that names it, and renews it; whoever finds one
that was not renewed for a minute takes it over. Of two that come at the same time, the one whose
row stands a moment later has the right. A writer that could not renew it in time stops writing,
before another one can have begun.

Processes of one machine are kept apart by the lock in the folder of their replica, which the system
releases when a process dies. A lease of this machine is therefore taken over at once.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFolder
from clr_search.index.catalog.lock import LockedError, WriterLock
from clr_search.index.catalog.milvus.connection import Connection
from clr_search.index.catalog.milvus.rows import read

LASTS = 60.0
"""Seconds after which a lease that was not renewed is void. Clocks may differ by a third of it."""

_RENEWED = 10.0  # seconds between two renewals
_PAUSE = 0.5  # seconds after which the row of the last of two that came together stands

Write = Callable[[list[object]], None]
Read = Callable[[], str | None]


class Lease:
    """The right to write, held from creation to `release`.

    Parameters
    ----------
    connection : Connection
        The connection; a file of milvus-lite is used by one process only, and needs no lease.
    folder : OwnFolder
        The folder of the replica, whose lock is taken before, and released with the lease.
    stored, store : callable
        Read and write the row of the lease.

    Raises
    ------
    LockedError
        If another process writes to the collection.
    """

    def __init__(
        self, connection: Connection, folder: OwnFolder, stored: Read, store: Write
    ) -> None:
        self._store = store
        self._where = str(connection.address)
        try:
            self._lock = WriterLock(folder / "lock")
        except LockedError as error:
            what = error.what.replace(str(folder.path), self._where)
            raise LockedError(what, error.remedy) from None
        here = f"{socket.gethostname()}:{folder.real}"
        self._me: list[object] = [here, os.getpid(), secrets.token_hex(8)]
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if connection.address.is_file:
            return
        try:
            self._refuse_other(stored())
            self._write()
            time.sleep(_PAUSE)
            self._refuse_other(stored())
        except BaseException:
            self._lock.release()
            raise
        self._thread = threading.Thread(target=self._keep, name="milvus-lease", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raises ClrSearchError where the lease was not renewed in time."""
        if self._thread is not None and time.monotonic() - self._renewed > LASTS * 2 / 3:
            raise ClrSearchError(
                f"{self._where} could not be told in time that this process still writes to it.",
                "Run the same command again; it goes on from there.",
            )

    def release(self) -> None:
        """Gives the right back, so that others may write."""
        self._ended.set()
        try:
            if self._thread is not None:
                self._thread.join()
                self._store([])
        except ClrSearchError:
            pass  # the server is away; the lease ends by itself
        finally:
            self._thread = None
            self._lock.release()

    def _refuse_other(self, row: str | None) -> None:
        """Raises LockedError where another process has a lease that is not void."""
        holder = read(row, self._where)[1] if row else []
        if len(holder) != 4 or holder[:3] == self._me:
            return
        host, process, _, renewed = holder
        age = time.time() - float(renewed)
        # A living process with this replica would hold its lock, which this one has.
        if host == self._me[0] or age > LASTS:
            return
        host = str(host).partition(":")[0]
        since = datetime.fromtimestamp(float(renewed), UTC)
        raise LockedError(
            f"{self._where} is being written to by process {process} on {host}, which said so at "
            f"{since:%H:%M:%S} UTC.",
            "Wait until it is done, or a minute if it was killed; searching works meanwhile.",
        )

    def _write(self) -> None:
        """Writes the row anew, with the time."""
        began = time.monotonic()
        self._store([*self._me, time.time()])
        self._renewed = began

    def _keep(self) -> None:
        """Renews the lease until it is released."""
        while not self._ended.wait(_RENEWED):
            try:
                self._write()
            except ClrSearchError:
                continue  # `require` says so, if it lasts
