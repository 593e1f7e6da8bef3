"""The SQLite file of a collection: opening, checking, transactions, and errors a person can read.

The file is in WAL mode, so that any number of readers go on while one writer commits, each on the
snapshot of its own transaction. It is ``synchronous=FULL``: WAL alone survives kill -9, but a power
cut could take back the last commits, and one of them may name a new FAISS generation, after which
the older files are deleted. One fsync for each batch costs milliseconds, while embedding the batch
takes about a second.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from shutil import disk_usage
from typing import NamedTuple, Protocol

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files import nofollow
from clr_search.files.disk import FAILING, FULL
from clr_search.files.names import composed
from clr_search.files.own import OwnFile, OwnFolder
from clr_search.index.catalog.sqlite import connecting
from clr_search.index.catalog.sqlite.schema import (
    APPLICATION_ID,
    READABLE,
    SCHEMA,
    VERSION,
    foreign_parts,
)

FILE_NAME = "catalog.sqlite"
"""Name of the SQLite file inside a collection."""

_SHOWN = 100  # characters of a damaged value that an error shows
_LEAST_FREE = 2**20  # bytes below which an error of input or output is one of a full disk
_RESTORE = "Save what can be read with: clr-search repair COLLECTION. Or restore it from a backup."


def text(value: str) -> str | bytes:
    r"""Returns a path or label as SQLite stores it; `plain` is the inverse.

    Names that are not valid UTF-8 on disk come as lone surrogates, which SQLite refuses as text;
    they are kept as bytes, all others as readable text.

    Examples
    --------
    >>> text("roses/1.jpg"), text("\udcff.jpg")
    ('roses/1.jpg', b'\xed\xb3\xbf.jpg')
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def plain(value: str | bytes) -> str:
    """Returns the path or label that `text` has stored.

    Raises
    ------
    sqlite3.DatabaseError
        If it is neither text nor bytes of one: the catalogue is damaged, and `Database.reading`
        says so.

    Examples
    --------
    >>> plain(text("roses/1.jpg"))
    'roses/1.jpg'
    """
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8", "surrogatepass")
    except (UnicodeDecodeError, AttributeError):
        raise sqlite3.DatabaseError(f"a name is {value!r}"[:_SHOWN]) from None


def plain_path(value: str | bytes) -> str:
    """Returns the path that `text` has stored; raises as `plain`, also where no file can have it.

    Examples
    --------
    >>> plain_path(text("roses/1.jpg"))
    'roses/1.jpg'
    """
    path = plain(value)
    if not path or "\0" in path:
        raise sqlite3.DatabaseError(f"a path is {path!r}"[:_SHOWN])
    return path


class Origin(Protocol):
    """What a database is a replica of; see `catalog.remote.protocol`."""

    def refresh(self, database: Database) -> None:
        """Brings the database up to date; no transaction is open."""

    def publish(self, database: Database) -> None:
        """Takes what the open transaction has changed, before it is committed."""


class Database:
    """A connection with transactions; several threads may use it, one at a time.

    Parameters
    ----------
    folder : OwnFolder
        The folder of the collection.
    writable : bool
        Whether changes are allowed; the caller then holds the writer's lock.

    Attributes
    ----------
    origin : Origin or None
        What it is a replica of: refreshes it before each snapshot, and is told of each change.
    file : OwnFile
        The file of SQLite.

    Raises
    ------
    UsageError
        If the file is no catalogue, or its schema version is one that this release cannot read.
    ClrSearchError
        If the file cannot be opened, or is damaged.
    """

    def __init__(self, folder: OwnFolder, *, writable: bool) -> None:
        self.folder = folder
        self.origin: Origin | None = None
        self.file = folder / FILE_NAME
        self._writable = writable
        self._mutex = threading.RLock()
        self._explained = _Explained(self)
        with self._explained:
            self._connect()

    def _connect(self) -> None:
        """Opens the file, for writing, for reading, or as a file that nobody changes."""
        before = connecting.require_ours(self.file)
        self._alone = None if self._writable else _alone(self.file)
        if self._writable and before is not None:
            nofollow.require_one_name(before, self.file.path)
        self._connection = connecting.connect(self.file, self._mode())
        try:
            self._prepare()
            connecting.require_same(self.file, before)
        except BaseException:
            self._connection.close()
            raise

    def _mode(self) -> str:
        """Returns the mode to connect in: for writing, reading, or a file that nobody changes."""
        if self._writable:
            return connecting.WRITE
        if self._alone is None:
            return connecting.READ
        return connecting.WITHOUT_LOCKS if self._alone.has_wal else connecting.IMMUTABLE

    def _prepare(self) -> None:
        """Checks the file, sets up the connection, and makes the tables of a new file."""
        run = self._connection.execute
        connecting.guard(self._connection)
        self._connection.create_function("composed", 1, _composed, deterministic=True)
        empty = not self.integer("SELECT count(*) FROM sqlite_master")
        if not (empty and self._writable):
            self._check()  # comes first, so that the file of another program is never changed
        if self._writable:
            # Larger than the default, so that an embedding of 2,048 float16 fits beside its row.
            run("PRAGMA page_size = 16384")
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
            run("PRAGMA fullfsync = ON")  # on macOS, fsync alone stops at the cache of the drive
            run("PRAGMA foreign_keys = ON")
            self._connection.create_function("crc32", 1, _crc32, deterministic=True)
            if empty:
                self._create()

    def _create(self) -> None:
        """Makes the tables in one transaction, so that a killed creation leaves none at all."""
        with self.writing():
            for statement in SCHEMA.split(";\n"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def _check(self) -> None:
        """Refuses a file that is no catalogue, or of another version."""
        if self.scalar("PRAGMA application_id") != APPLICATION_ID:
            raise UsageError(
                f"{self.folder} is not a collection of clr-search: its {FILE_NAME} belongs to "
                "something else, or its making was cut short.",
                "Make one with: clr-search build-index IMAGES --index COLLECTION --encoder FILE",
            )
        self._check_version()
        foreign = foreign_parts(
            self._connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall(),
            self.schema_version(),
        )
        if foreign:
            raise connecting.foreign_schema(self.file, foreign)

    def schema_version(self) -> int:
        """Returns the version of the tables; the caller is inside `reading` or `writing`."""
        return self.integer("PRAGMA user_version")

    def _check_version(self) -> None:
        """Refuses a catalogue whose version this release cannot read."""
        version = self.schema_version()
        if not READABLE <= version <= VERSION:
            raise UsageError(
                f"{self.folder} has schema version {version}; this release reads {READABLE} to "
                f"{VERSION}.",
                "Use a matching release of clr-search, or build the collection anew.",
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Opens one snapshot for all that is read inside; joins a transaction that is open already.

        Raises
        ------
        UsageError
            If a newer release has migrated the file meanwhile.
        ClrSearchError
            If the file cannot be read, is damaged, or has been closed.
        """
        with self._mutex, self._explained:
            if self._connection.in_transaction:
                yield
                return
            if self._alone is not None and self._alone != _alone(self.file):
                self._connection.close()  # another process has begun to write since
                self._connect()
            if self.origin is not None:
                self.origin.refresh(self)
            self._connection.execute("BEGIN")
            try:
                self._check_version()  # a newer release may have migrated it since
                yield
            finally:
                self._roll_back()  # ends the snapshot; nothing was written

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Commits all that is written inside, or on an exception none of it.

        Raises
        ------
        ClrSearchError
            If the disk is full or fails, or another program holds the file for 30 seconds.
        """
        with self._mutex, self._explained:
            if self.origin is not None:
                self.origin.refresh(self)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self.origin is not None:
                    self.origin.publish(self)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        """Ends the transaction, if one is open."""
        if self._connection.in_transaction:  # some disk errors have ended it already
            self._connection.execute("ROLLBACK")

    def version(self) -> tuple[int, int] | None:
        """Returns a value that changes with every commit of any process; None where none is known.

        Comparing it needs no transaction, and takes a fifth of the time of a snapshot.
        """
        with self._mutex, self._explained:
            if self._alone is not None:
                return None
            if self.origin is not None and not self._connection.in_transaction:
                self.origin.refresh(self)
            changes = self._connection.total_changes  # data_version leaves out our own commits
            return self.integer("PRAGMA data_version"), changes

    def rows(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Runs one statement with parameters; the caller is inside `reading` or `writing`."""
        return self._connection.execute(sql, values)

    def many(self, sql: str, values: Iterable[tuple[object, ...]]) -> None:
        """Runs one statement for each tuple of parameters; the caller is inside `writing`."""
        self._connection.executemany(sql, values)

    def scalar(self, sql: str, *values: object) -> object:
        """Returns the first column of the first row; None where there is no row."""
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def integer(self, sql: str, *values: object) -> int:
        """Returns the first column of the first row, which must be a whole number."""
        return int(self._connection.execute(sql, values).fetchone()[0])

    def compact(self) -> None:
        """Gives the space of deleted rows back to the file system."""
        with self._mutex, self._explained:
            self._connection.execute("VACUUM")

    def close(self) -> None:
        """Closes the connection; the last one to close folds the WAL into the file."""
        with self._mutex:
            self._connection.close()

    def remedy_of(self, error: sqlite3.OperationalError) -> str:
        """Returns what to do about an error that SQLite met on its way to the file."""
        name = getattr(error, "sqlite_errorname", "")  # Python itself raises some without one
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return "Another program has it open: close that, and try again."
        failed = name.startswith("SQLITE_IOERR")
        if "is full" in str(error) or (failed and disk_usage(self.folder.real).free < _LEAST_FREE):
            return FULL
        return FAILING if failed else "Check the free space and permissions of its disk."


class _Explained:
    """Turns errors of SQLite inside it into ones that say what to do.

    It is a class since every search enters it: `contextmanager` takes five times as long.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        """Needs nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None and (told := self._told(error)) is not None:
            raise told from error

    def _told(self, error: BaseException) -> ClrSearchError | None:
        """Returns the error for a person; None of one that is not about the file."""
        database = self._database
        if isinstance(error, sqlite3.OperationalError):
            what = f"The catalogue {database.file} cannot be used: {error}."
            return ClrSearchError(what, database.remedy_of(error))
        if isinstance(error, sqlite3.IntegrityError):
            return None  # the statement is wrong, not the file
        if isinstance(error, sqlite3.ProgrammingError):
            if "closed" not in str(error):
                return None
            return ClrSearchError(f"{database.folder} has been closed.", "Open it again.")
        if isinstance(error, sqlite3.DatabaseError):
            return ClrSearchError(f"The catalogue {database.file} is damaged: {error}.", _RESTORE)
        return None


def _crc32(blob: object) -> int:
    """Returns the CRC-32 of a stored value, for SQL; -1, which no CRC-32 is, of what is no blob."""
    return zlib.crc32(blob) if isinstance(blob, bytes) else -1


def _composed(value: object) -> str | bytes | None:
    """Returns a stored path or label in Unicode's composed form, for SQL; NULL of NULL."""
    return text(composed(plain(value))) if isinstance(value, str | bytes) else None


class _Alone(NamedTuple):
    """What identifies a file that is read without the help of a writer, and whether it has a WAL.

    Readers of a WAL share a small file beside it, which cannot be made on a read-only medium or in
    a folder of another user. Where that file is missing nobody is writing, so that what is there is
    whole; but its owner may write again, so this is compared before each snapshot.
    """

    state: tuple[int, ...]
    has_wal: bool


def _alone(file: OwnFile) -> _Alone | None:
    """Returns the state of a file beside which nothing can be made; None where WAL works."""
    if os.access(file.folder.real, os.W_OK):
        return None
    beside = (file.folder / f"{file.name}{ending}" for ending in ("-wal", "-shm"))
    status, (wal, shared) = file.status(), (other.status() for other in beside)
    has_wal = wal is not None and wal.st_size > 0
    if status is None or (has_wal and shared is not None):
        return None
    parts = [status] if wal is None else [status, wal]
    state = tuple(n for s in parts for n in (s.st_ino, s.st_size, s.st_mtime_ns))
    return _Alone(state, has_wal)
