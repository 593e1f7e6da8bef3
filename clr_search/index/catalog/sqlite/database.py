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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.sqlite.schema import (
    APPLICATION_ID,
    READABLE,
    SCHEMA,
    VERSION,
    foreign_parts,
)

FILE_NAME = "catalog.sqlite"
"""Name of the SQLite file inside a collection."""

_MOST_BYTES = 512 * 2**20  # of one value; the ids of forty million items as JSON are as long
_SHOWN = 100  # characters of a damaged value that an error shows
_CACHE_KB = 8192  # of pages in memory

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


class Database:
    """A connection with transactions; several threads may use it, one at a time.

    Parameters
    ----------
    folder : Path
        The folder of the collection.
    writable : bool
        Whether changes are allowed; the caller then holds the writer's lock.

    Raises
    ------
    UsageError
        If the file is no catalogue, or its schema version is one that this release cannot read.
    ClrSearchError
        If the file cannot be opened, or is damaged.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self._path = folder.absolute() / FILE_NAME
        self._writable = writable
        self._mutex = threading.RLock()
        with self._explained():
            self._connect()

    def _connect(self) -> None:
        """Opens the file, for writing, for reading, or as a file that nobody changes."""
        self._alone = None if self._writable else _alone(self._path)
        mode = "mode=rwc" if self._writable else "immutable=1" if self._alone else "mode=ro"
        self._connection = sqlite3.connect(
            f"{uri_of(self._path)}?{mode}",
            uri=True,
            timeout=30.0,
            isolation_level=None,  # transactions are begun and ended here, by name
            check_same_thread=False,
        )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        """Checks the file, sets up the connection, and makes the tables of a new file."""
        run = self._connection.execute
        guard(self._connection)
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
            raise foreign_schema(self._path, foreign)

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
        with self._mutex, self._explained():
            if self._connection.in_transaction:
                yield
                return
            if self._alone is not None and self._alone != _alone(self._path):
                self._connection.close()  # another process has begun to write since
                self._connect()
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
        with self._mutex, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
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
        with self._mutex, self._explained():
            if self._alone is not None:
                return None
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
        with self._mutex, self._explained():
            self._connection.execute("VACUUM")

    def close(self) -> None:
        """Closes the connection; the last one to close folds the WAL into the file."""
        with self._mutex:
            self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns errors of SQLite into ones that say what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            busy = "locked" in str(error)
            raise ClrSearchError(
                f"The catalogue of {self.folder} cannot be used: {error}.",
                "Another program has it open: close that, and try again."
                if busy
                else "Check the free space and permissions of its disk.",
            ) from error
        except sqlite3.IntegrityError:
            raise  # the statement is wrong, not the file
        except sqlite3.ProgrammingError as error:
            if "closed" not in str(error):
                raise
            raise ClrSearchError(f"{self.folder} has been closed.", "Open it again.") from error
        except sqlite3.DatabaseError as error:
            raise ClrSearchError(
                f"The catalogue of {self.folder} is damaged: {error}.", _RESTORE
            ) from error


def guard(connection: sqlite3.Connection) -> None:
    """Sets up a connection to a file that may come from a stranger."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")  # of pages, before their cells are believed
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}")  # the file may state any number


def foreign_schema(path: Path, foreign: Sequence[str]) -> UsageError:
    """Returns the error for a catalogue with parts that clr-search has not made."""
    more = f" and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
    return UsageError(
        f"{path} holds what no release of clr-search makes: {foreign[0][:100]!r}{more}.",
        "Do not use the collection if it comes from somebody else. If you have added this "
        "yourself, take it out with the program sqlite3.",
    )


def _crc32(blob: object) -> int:
    """Returns the CRC-32 of a stored value, for SQL; -1, which no CRC-32 is, of what is no blob."""
    return zlib.crc32(blob) if isinstance(blob, bytes) else -1


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


def _alone(path: Path) -> tuple[int, int, int] | None:
    """Returns inode, size and time of a file that is read without WAL; None where WAL works.

    Readers of a WAL share a small file beside it, which cannot be made on a read-only medium or in
    a folder of another user. Where no WAL is left over, nobody is writing and the file is whole by
    itself; but its owner may write again, so this is checked before each snapshot.
    """
    wal = Path(f"{path}-wal")
    if os.access(path.parent, os.W_OK) or not path.exists():
        return None
    if wal.exists() and wal.stat().st_size:
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
