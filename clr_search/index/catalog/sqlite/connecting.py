"""Connections to the SQLite file of a collection that may come from a stranger.

SQLite opens its files by their paths, follows a link in place of the file, and waits for a pipe. So
all four names that it may open are looked at first, relative to the descriptor of the collection
(`files.own`), and whether the file is still the one that was looked at is checked after SQLite has
opened it. SQLite itself opens the files beside it without following links. A new file is made here,
not by SQLite.

A rollback journal can name a further file, which SQLite deletes when it has rolled back. No journal
of ours does, since a collection is one file; one that does is refused.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import PurePath

from clr_search.errors import UsageError
from clr_search.files.nofollow import NotOursError, require_one_name
from clr_search.files.own import OwnFile

BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the names of the files that SQLite keeps beside its file."""

WRITE, READ, IMMUTABLE = "mode=rw", "mode=ro", "immutable=1"
"""Modes of `connect`: for changes, for reading, and for a file that nobody changes."""

WITHOUT_LOCKS = f"mode=ro&vfs={'win32' if os.name == 'nt' else 'unix'}-none"
"""Mode of `connect` for a file with a WAL, in a folder in which nothing can be made or locked."""

_MOST_BYTES = 512 * 2**20  # of one value; the ids of forty million items as JSON are as long
_CACHE_KB = 8192  # of pages in memory

_NAMES_ANOTHER = bytes.fromhex(
    "d9d505f920a163d7"
)  # the end of a journal that names a super-journal


def connect(file: OwnFile, mode: str, *, timeout: float = 30.0) -> sqlite3.Connection:
    """Opens a SQLite file of a collection; `require_same` is called after the first read.

    With `WRITE` a missing file is made. Transactions are begun and ended by name.

    Raises
    ------
    NotOursError
        If one of its files is a link, no regular file, or reaches out of the collection.
    DiskError
        If the file cannot be made.
    sqlite3.Error
        If SQLite cannot open it.
    """
    if require_ours(file) is None and mode == WRITE:
        file.change(os.O_CREAT | os.O_EXCL).close()
    connection = sqlite3.connect(
        f"{uri_of(file.folder.real / file.name)}?{mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    if mode == WITHOUT_LOCKS:  # its index of the WAL then is in memory, not in a file beside it
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def require_ours(file: OwnFile) -> os.stat_result | None:
    """Returns the status of a SQLite file, None if it is missing; refuses what is not ours.

    Raises
    ------
    NotOursError
        If it, or a file that SQLite keeps beside it, is no regular file or has a second name, or a
        journal names another file.
    """
    for ending in BESIDE:
        beside = file.folder / f"{file.name}{ending}"
        status = beside.status()
        if status is None:
            continue
        require_one_name(status, beside.path)
        if ending == "-journal" and _names_another(beside):
            raise NotOursError(
                f"{beside} names another file that is to be deleted, as no journal of clr-search "
                "does; nothing was changed.",
                f"Find out where it comes from. Delete {beside.path.name}.",
            )
    return file.status()


def require_same(file: OwnFile, before: os.stat_result | None) -> None:
    """Refuses a connection whose file was replaced while it was opened.

    Parameters
    ----------
    file : OwnFile
        The file that `connect` has opened.
    before : os.stat_result or None
        What `require_ours` has returned before; None if the file was made.
    """
    now = require_ours(file)
    file.folder.require_in_place()
    if now is None or (before is not None and not os.path.samestat(before, now)):
        raise NotOursError(
            f"{file} was replaced while it was opened.", "Run the same command again."
        )


def guard(connection: sqlite3.Connection) -> None:
    """Sets up a connection to a file that may come from a stranger."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")  # of pages, before their cells are believed
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}")  # the file may state any number


def foreign_schema(file: OwnFile, foreign: Sequence[str]) -> UsageError:
    """Returns the error for a catalogue with parts that clr-search has not made."""
    more = f" and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
    return UsageError(
        f"{file} holds what no release of clr-search makes: {foreign[0][:100]!r}{more}.",
        "Do not use the collection if it comes from somebody else. If you have added this "
        "yourself, take it out with the program sqlite3.",
    )


def uri_of(path: PurePath) -> str:
    r"""Returns the URI of an absolute path for SQLite, also on a share: ``\\server\share\x.clr``.

    SQLite refuses ``file://server/…`` for its authority, and takes ``file:////server/…``.

    Examples
    --------
    >>> from pathlib import PurePosixPath, PureWindowsPath
    >>> uri_of(PurePosixPath("/data/x.clr"))
    'file:///data/x.clr'
    >>> uri_of(PureWindowsPath("//server/share/x.clr"))
    'file:////server/share/x.clr'
    """
    uri = path.as_uri()
    share = uri.startswith("file://") and not uri.startswith("file:///")
    return uri.replace("file://", "file:////", 1) if share else uri


def _names_another(journal: OwnFile) -> bool:
    """Returns whether a rollback journal ends with the name of a super-journal."""
    with journal.open() as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_NAMES_ANOTHER)))
        return file.read() == _NAMES_ANOTHER
