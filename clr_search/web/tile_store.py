"""Thumbnails that are kept on disk between runs, in one SQLite file of bounded size.

SQLite reads small blobs faster than a file system reads small files, and one file is easily bounded
and deleted (https://sqlite.org/fasterthanfs.html). The store is a cache: where it is damaged, full
or in the way, thumbnails are drawn again.
"""

from __future__ import annotations

import logging
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

MOST_BYTES = 2**30
"""Bytes of all thumbnails on disk: some 60,000 of 18 kB."""

_DAY = 86_400.0  # A use is noted once a day, so that reading seldom writes.
_KEPT = 0.9  # The share that is left when the store was full.

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tile (
  key TEXT PRIMARY KEY, used REAL NOT NULL, data BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tile_used ON tile (used);
"""


class TileStore:
    """Thumbnails by key, in one file; it is safe to use from many threads and processes.

    Parameters
    ----------
    folder : path
        The folder of the file, which is made for this user alone. None keeps nothing.
    most_bytes : int
        Largest total of the thumbnails. Where it is reached, those used longest ago are deleted.

    Examples
    --------
    >>> store = TileStore(Path("cache"))
    >>> store.put("a", b"jpeg")
    >>> store.get("a"), store.get("b")
    (b'jpeg', None)
    >>> store.close()
    """

    def __init__(self, folder: Path | None, *, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._database = None if folder is None else _opened(folder)
        self._bytes = self._total()

    def get(self, key: str) -> bytes | None:
        """Return a thumbnail, or None where there is none."""
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(
                    "SELECT data, used FROM tile WHERE key = ?", (key,)
                ).fetchone()
                if row is None or not isinstance(row[0], bytes):
                    return None
                if row[1] < time.time() - _DAY:
                    self._database.execute(
                        "UPDATE tile SET used = ? WHERE key = ?", (time.time(), key)
                    )
            except sqlite3.Error as error:
                self._give_up(error)
                return None
            return row[0]

    def put(self, key: str, data: bytes) -> None:
        """Keep a thumbnail; where the store is full, others go."""
        with self._lock:
            if self._database is None:
                return
            try:
                self._database.execute(
                    "INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", (key, time.time(), data)
                )
                self._bytes += len(data)
                if self._bytes > self._most:
                    self._make_room(self._database)
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None

    def _total(self) -> int:
        """Return the bytes of all thumbnails."""
        if self._database is None:
            return 0
        try:
            return int(
                self._database.execute(
                    "SELECT coalesce(sum(length(data)), 0) FROM tile"
                ).fetchone()[0]
            )
        except sqlite3.Error as error:
            self._give_up(error)
            return 0

    def _make_room(self, database: sqlite3.Connection) -> None:
        """Delete the thumbnails that were used longest ago."""
        excess = self._total() - int(_KEPT * self._most)
        last = None
        for used, size in database.execute("SELECT used, length(data) FROM tile ORDER BY used"):
            if excess <= 0:
                break
            excess -= size
            last = used
        if last is not None:
            database.execute("DELETE FROM tile WHERE used <= ?", (last,))
            database.execute("PRAGMA incremental_vacuum")
        self._bytes = self._total()

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on without the store; what is damaged is made anew by the next process."""
        logger.warning("Thumbnails are not kept on disk: %s.", error)
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None


def _opened(folder: Path) -> sqlite3.Connection | None:
    """Open the store in a folder of this user's own; None where there can be none."""
    path = folder / "thumbnails.sqlite"
    for _ in range(2):  # the second time without a file that was damaged
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not stat.S_ISDIR(folder.lstat().st_mode) or path.is_symlink():
                logger.warning("Thumbnails are not kept on disk: %s is a link.", folder)
                return None
            database = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # It is a cache.
            database.execute("PRAGMA trusted_schema = OFF")
            database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                logger.warning("Thumbnails are not kept on disk: %s.", error)
                return None
            with suppress(OSError):
                path.unlink()
        except OSError as error:
            logger.warning("Thumbnails are not kept on disk: %s.", error)
            return None
        else:
            return database
    return None
