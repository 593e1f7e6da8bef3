"""`MilvusStore`: the collection on Milvus that a catalogue on this machine is the replica of.

What is written, and in which order, so that a process that is killed at any moment leaves a
collection that the next one goes on with:

1. rows of folders, columns, notes and facts;
2. rows of items with their vectors, by ids that are hashes of their paths: written twice, they are
   there once;
3. for what was deleted, first a row that says so, then the deletion itself;
4. the revision, by which every reader sees that it is behind;
5. the transaction of the replica here.

A row has the revision of its last change, so that a replica reads only what is newer than it.
Milvus has no transactions: a reader may see the first rows of a change before the last ones.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.names import composed
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.milvus import expressions, journal, places, replica, schema, tuning
from clr_search.index.catalog.milvus.connection import PAGE, Connection, Row
from clr_search.index.catalog.milvus.journal import ITEMS, Change
from clr_search.index.catalog.milvus.lease import Lease
from clr_search.index.catalog.milvus.rows import IDS, label_number, number_of, packed, read, written
from clr_search.index.catalog.remote.protocol import RemoteStructure, Wanted
from clr_search.index.catalog.sqlite.database import Database, plain, text
from clr_search.index.catalog.vectors import checksum_of
from clr_search.progress import Reporter

_REVISION, _LEASE = "revision", "lease"
_ROWS = 8000  # rows that are read at once, so that PAGE is never reached by chance
_VECTORS = 4 * 2**20  # bytes of vectors that are read or written at once
_FRESH = 1.0  # seconds in which a replica of weaker consistency is not looked after again
_UNSEALED = 1000  # rows of milvus-lite after which they are sealed


class MilvusStore:
    """A collection on Milvus; it is a `Remote`.

    Parameters
    ----------
    connection : Connection
        The connection to a collection that `schema.check` has found right.
    dimension : int
        D, the length of a vector.
    """

    most_neighbours = PAGE

    def __init__(self, connection: Connection, dimension: int) -> None:
        self.connection = connection
        self.address = connection.address
        self.dimension = dimension
        self.lease: Lease | None = None
        self._items = self.address.collection
        self._facts = schema.beside(self._items)
        self.tenant = expressions.of_tenant(self.address.tenant)
        self._looked = -np.inf
        self._alone = False  # the lease is held, and all that was written before it is here
        self._taking = False
        self._unsealed = 0
        self._search = tuning.EXACT

    # -- the lease

    def write_lease(self, values: list[object]) -> None:
        """Writes the row of the lease."""
        self._write_facts([(_LEASE, (_LEASE,), values, 0)], seconds=10)

    def stored_lease(self) -> str | None:
        """Returns the row of the lease, whoever has written it."""
        return self._fact(_LEASE, level="Strong")

    # -- following the server

    def refresh(self, database: Database) -> None:
        """Brings the replica up to date, unless this process is the one that writes."""
        if self._taking or self._alone:
            return
        now = time.monotonic()
        if self.address.consistency != "strong" and now - self._looked < _FRESH:
            return
        making, revision = self._state()
        here = replica.revision(database), replica.follows(database)
        if here != (revision, making) or self.lease is not None:
            self._take(database, making, revision)
        self._search = tuning.kept(database)
        self._looked = now
        if self.lease is not None:
            self._alone = True

    def _level(self) -> str:
        """Returns the consistency to read with: a writer has to see all; "" for the address's."""
        return "" if self.lease is None else "Strong"

    def _state(self) -> tuple[str, int]:
        """Returns which making of the collection this is, and its revision."""
        row = self._fact(_REVISION, level=self._level())
        if row is None:
            return "", 0
        making, revision = read(row, str(self.address))[1]
        return str(making), int(revision)

    def _take(self, database: Database, making: str, revision: int) -> None:
        """Reads what is newer on the server into the replica."""
        self._taking = True
        try:
            with database.writing():
                if replica.follows(database) != making:
                    replica.empty(database)
                since = replica.revision(database)
                newest = revision
                replica.begin_taking(database)
                for rows in self._newer(since):
                    replica.take_items(database, rows)
                    newest = max(newest, *(changed for _, changed, _ in rows))
                gone: list[int] = []
                for facts in self._newer_facts(since):
                    replica.take_facts(database, facts)
                    newest = max([newest, *(changed for _, changed, _ in facts)])
                    gone += [key[0] for kind, changed, (key, _) in facts if kind == ITEMS]
                # Rows beyond the revision are of a writer that was killed, or is writing now: only
                # the next writer, which is alone, counts on from there.
                replica.reached(database, making, newest if self.lease is not None else revision)
                journal.forget(database)
                if self.lease is not None:
                    self._finish_deletions(database, gone)
        finally:
            self._taking = False

    def _finish_deletions(self, database: Database, gone: Sequence[int]) -> None:
        """Deletes items that a killed writer has only marked; the others are not there anyway."""
        there = {number for number, *_ in replica.item_rows(database, gone)}
        left = [number for number in gone if number not in there]
        if left:
            self.connection.delete(self._items, left)

    def _newer(self, since: int) -> Iterator[list[tuple[int, int, list[Any]]]]:
        """Yields the items that were changed after a revision: id, revision and row."""
        for rows in self._pages(self._items, f"changed > {since}", ("id", "changed", "row")):
            yield [
                (int(row["id"]), int(row["changed"]), read(row["row"], str(self.address)))
                for row in rows
            ]

    def _newer_facts(self, since: int) -> Iterator[list[tuple[str, int, list[Any]]]]:
        """Yields the rows beside the items that were changed after a revision."""
        fields = ("kind", "changed", "row")
        for rows in self._pages(self._facts, f"changed > {since}", fields):
            yield [
                (str(row["kind"]), int(row["changed"]), read(row["row"], str(self.address)))
                for row in rows
                if row["kind"] not in (_REVISION, _LEASE)
            ]

    def _pages(self, collection: str, condition: str, fields: Sequence[str]) -> Iterator[list[Row]]:
        """Yields all rows that meet a condition, in pages: ids are hashes, and spread evenly."""
        met, level = expressions.every(self.tenant, condition), self._level()
        count = self.connection.count(collection, met, level=level)
        pages = -(-count // _ROWS)
        ranges = [(IDS * n // pages, IDS * (n + 1) // pages) for n in range(pages)]
        while ranges:
            low, high = ranges.pop()
            within = expressions.every(met, f"id >= {low}", f"id < {high}")
            rows = self.connection.query(collection, within, fields, level=level)
            if len(rows) < PAGE:
                if rows:
                    yield rows
            else:  # more than one answer holds
                ranges += [(low, (low + high) // 2), ((low + high) // 2, high)]

    # -- giving to the server

    def publish(self, database: Database) -> None:
        """Gives the server what the open transaction has changed, in the order stated above."""
        if self._taking:
            return
        changes = journal.noted(database)
        revision, making = replica.revision(database), replica.follows(database)
        if not changes and making:
            return
        if self.lease is None:
            raise UsageError(
                f"{self.address} is open for reading only.",
                "Open it with Index.open(path, writable=True).",
            )
        self.lease.require()
        self._alone = False  # until all is written: what is cut short has to be read again
        making = making or secrets.token_hex(8)
        rows = [(c, replica.facts_row(database, c)) for c in changes if c.kind != ITEMS]
        self._write_changes([(c, row) for c, row in rows if row is not None], revision)
        numbers = sorted(int(c.one or 0) for c in changes if c.kind == ITEMS)
        there = self._write_items(database, numbers, revision)
        gone = [number for number in numbers if number not in there]
        deleted = [Change(ITEMS, number, "") for number in gone]
        deleted += [c for c, row in rows if row is None]
        self._write_changes([(change, None) for change in deleted], revision)
        if gone:
            self.connection.delete(self._items, gone)
        self._write_facts([(_REVISION, (_REVISION,), [making, revision], 0)])
        replica.given_away(database, sorted(there))
        replica.reached(database, making, revision)
        journal.forget(database)
        self._alone = True
        self._seal(len(changes))

    def _write_changes(
        self, rows: Sequence[tuple[Change, list[Any] | None]], revision: int
    ) -> None:
        """Writes rows beside the items; None for one that was deleted."""
        self._write_facts(
            [(c.kind, (packed(c.one), packed(c.other)), values, revision) for c, values in rows]
        )

    def _write_facts(
        self,
        rows: Sequence[tuple[str, tuple[Any, ...], list[Any] | None, int]],
        seconds: float = 60,
    ) -> None:
        """Writes rows beside the items: kind, key, values or None, and revision."""
        tenant = self.address.tenant
        found = [
            {
                "id": number_of(tenant, kind, *map(str, key)),
                "tenant": tenant,
                "changed": revision,
                "kind": kind,
                "row": written([key, values], f"{kind} of {self.address}"),
                schema.ANCHOR: [1.0, 0.0],
            }
            for kind, key, values, revision in rows
        ]
        self.connection.upsert(self._facts, found, bytes_each=2000, seconds=seconds)

    def _write_items(self, database: Database, numbers: Sequence[int], revision: int) -> set[int]:
        """Writes the items of these ids that are there, and returns their ids."""
        step = max(1, _VECTORS // (4 * self.dimension))
        there: set[int] = set()
        for start in range(0, len(numbers), step):
            found = replica.item_rows(database, numbers[start : start + step])
            kept = {n: columns[-1] for n, columns, blob, *_ in found if not blob}
            blobs = self.blobs(kept) if kept else {}  # type: ignore[arg-type]  # checksums
            if len(blobs) < len(kept):
                raise ClrSearchError(
                    f"{self.address} has lost {len(kept) - len(blobs):,} vectors.",
                    f"Delete {database.folder.real}, which is read anew, and run build-index.",
                )
            rows = [
                self._item(number, columns, blob or blobs[number], exif, cells, revision)
                for number, columns, blob, exif, cells in found
            ]
            self.connection.upsert(self._items, rows, bytes_each=4 * self.dimension + 1000)
            there.update(row["id"] for row in rows)
        return there

    def _item(
        self,
        number: int,
        columns: list[Any],
        blob: bytes,
        exif: Any,
        cells: Mapping[int, Any],
        revision: int,
    ) -> Row:
        """Returns the row of an item."""
        root, _, size, _, _, width, height, label, *_ = columns
        own = {str(column): packed(value) for column, value in cells.items()}
        row = [*map(packed, columns), None if exif is None else [*map(packed, exif)], own]
        return {
            "id": number,
            "tenant": self.address.tenant,
            "changed": revision,
            "label": label_number(None if label is None else text(composed(plain(label)))),
            "root": root,
            "side": min(width, height),
            "size": size,
            "row": written(row, f"item {number} of {self.address}"),
            schema.VECTOR: np.frombuffer(blob, "<f2").astype(np.float32),
        }

    def _seal(self, rows: int) -> None:
        """Lets milvus-lite seal what was written, from time to time; a server does by itself."""
        self._unsealed += rows
        if self.address.is_file and self._unsealed >= _UNSEALED:
            self.seal()

    def seal(self) -> None:
        """Lets milvus-lite seal what was written, if anything was."""
        if self.address.is_file and self._unsealed:
            self.connection.flush(self._items)
            self.connection.flush(self._facts)
        self._unsealed = 0

    def number_for(self, database: Database, path: str) -> int:
        """Returns the id for a new item at an absolute path: its hash, or the next that is free."""
        number = number_of(self.address.tenant, text(path))
        while replica.path_at(database, number) is not None:
            number = (number + 1) % IDS
        return number

    # -- vectors

    def blobs(self, wanted: Mapping[int, int]) -> dict[int, bytes]:
        """Returns stored vectors by id, as float16.

        The checksum tells whether a vector is the one that the replica knows of. So it is first
        read with the least consistency, which Milvus answers at once, and again only where that
        was not enough.
        """
        found: dict[int, bytes] = {}
        missing = list(wanted)
        for level in ("Eventually", "Strong"):
            step = max(1, min(PAGE, _VECTORS // (4 * self.dimension)))
            for start in range(0, len(missing), step):
                part = expressions.among(missing[start : start + step])
                rows = self.connection.query(self._items, part, ("id", schema.VECTOR), level=level)
                for row in rows:
                    vector = np.asarray(row[schema.VECTOR], np.float32).astype("<f2")
                    found[int(row["id"])] = vector.tobytes()
            missing = [
                number
                for number in missing
                if number not in found or checksum_of(found[number]) != wanted[number]
            ]
            if not missing:
                break
        return found

    def search(
        self, queries: NDArray[np.float32], k: int, wanted: Wanted
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns ids and cosines of the nearest items of each query."""
        more = len(wanted.excluded) if len(wanted.excluded) > expressions.MOST_EXCLUDED else 0
        most = min(PAGE, k + more)
        allowed = None if wanted.allowed is None else len(wanted.allowed)
        params = tuning.params(self._search, most, allowed)
        parts = [
            self.connection.search(
                self._items,
                list(queries),
                most,
                expressions.every(self.tenant, expression),
                params,
            )
            for expression in expressions.of(wanted)
        ]
        return expressions.joined(parts, most, wanted.excluded if more else wanted.excluded[:0])

    # -- the index

    def settle(self, catalog: Catalog, recall: float | None, reporter: Reporter) -> bool:
        """Builds the index that the items need now, where it is another one, and measures it."""
        self.seal()
        tuned = tuning.settle(self.connection, catalog, self.dimension, recall, reporter)
        if tuned is None:
            return False
        self._search = tuned
        with catalog.writing():
            tuning.keep(catalog.database, tuned)
        return True

    def structure(self, catalog: Catalog) -> RemoteStructure:
        """Returns how the server searches, and what was measured."""
        return tuning.described(tuning.kept(catalog.database), self.connection.version)

    # -- what is said

    def refuse(self, what: str, instead: str) -> None:
        """Raises the UsageError for what makes no sense on a server."""
        raise UsageError(f"{what} is not of {self.address}, which is on Milvus.", instead)

    def encoder_remedy(self, sha256: str) -> str:
        """Returns what to do where the encoder is not on this machine."""
        return places.remedy(self.address, sha256)

    def close(self) -> None:
        """Closes the connection."""
        self.connection.close()

    def _fact(self, kind: str, *, level: str = "") -> str | None:
        """Returns the row of a kind that has one only; None where it is not there."""
        number = number_of(self.address.tenant, kind, kind)
        rows = self.connection.query(self._facts, f"id == {number}", ("row",), level=level)
        return str(rows[0]["row"]) if rows else None
