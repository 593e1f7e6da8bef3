"""`Catalog`: the facts, roots, items and skipped files of a collection, in SQLite.

Every write transaction raises the collection's revision by one, and an item carries the revision at
which its embedding was written. So a reader sees by one number that it is behind, and by a range of
numbers which items are new; a FAISS generation built at revision R holds the items up to R.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from clr_search.files.finding.selection import Selection
from clr_search.files.names import composed
from clr_search.files.own import OwnFolder
from clr_search.files.stores.address import located
from clr_search.index.catalog import facts
from clr_search.index.catalog.facts import CollectionFacts, facts_of
from clr_search.index.catalog.paths import (
    absolute,
    along,
    below,
    label_text,
    plain_label,
    root_of,
)
from clr_search.index.catalog.records import Content, IndexedFile, Item, Root, SkippedFile
from clr_search.index.catalog.remote.protocol import Remote, blobs_of, next_number
from clr_search.index.catalog.sqlite.database import Database, plain, plain_path, text

_GIVEN = f"EXISTS (SELECT 1 FROM meta WHERE key = '{facts.LABELS_GIVEN}')"  # noqa: S608  # a constant
_KEPT_OR = f"CASE WHEN {_GIVEN} THEN label ELSE ? END"
_NONE_OR = f"CASE WHEN {_GIVEN} THEN NULL ELSE ? END"


class Catalog:
    """The catalogue of a collection; every call belongs inside `reading` or `writing`.

    Parameters
    ----------
    folder : OwnFolder or Path
        The folder of the collection.
    writable : bool
        Whether changes are allowed; the caller then holds the writer's lock.
    remote : Remote, optional
        The server that has the collection, of which the folder holds a replica.

    Raises
    ------
    UsageError
        If the file is no catalogue, or its schema version is one that this release cannot read.
    ClrSearchError
        If the file cannot be opened, or is damaged.
    """

    def __init__(
        self, folder: OwnFolder | Path, *, writable: bool, remote: Remote | None = None
    ) -> None:
        self.folder = OwnFolder.at(folder)
        self.remote = remote
        self.database = Database(self.folder, writable=writable or remote is not None)

    def version(self) -> tuple[int, int] | None:
        """Returns a value that changes with every commit of any process, or None if unknown."""
        return self.database.version()

    def reading(self) -> AbstractContextManager[None]:
        """Opens one snapshot for all that is read inside."""
        return self.database.reading()

    @contextmanager
    def writing(self) -> Iterator[int]:
        """Opens one transaction at a new revision, which is yielded."""
        with self.database.writing():
            revision = self.revision() + 1
            self.set_revision(revision)
            yield revision

    # -- facts

    def facts(self) -> CollectionFacts:
        """Returns the facts on the collection as a whole; raises the errors of `facts_of`."""
        rows = self.database.rows("SELECT key, value FROM meta")
        return facts_of(self.folder.place, dict(rows.fetchall()))

    def revision(self) -> int:
        """Returns the revision alone, which every search needs; 0 before the first change."""
        return facts.count_of(self.folder.place, facts.REVISION, self._kept(facts.REVISION))

    def is_pinned(self) -> bool:
        """Returns whether it is known of which encoder it is, or of none; else it is half made."""
        return self._kept(facts.ENCODER_SHA256) is not None

    def set_revision(self, revision: int) -> None:
        """Sets the revision; only a salvage needs it, since `writing` counts by itself."""
        self._set(facts.REVISION, revision)

    def pin_encoder(self, sha256: str, name: str, dimension: int) -> None:
        """Binds it to the encoder of its embeddings, of length `dimension`, or to `NO_ENCODER`."""
        self._set(facts.ENCODER_SHA256, sha256)
        self._set(facts.ENCODER_NAME, name)
        self._set(facts.DIMENSION, dimension)

    def set_decoding(self, version: int) -> None:
        """Stores the version of decoding of all embeddings, and of the skipped files."""
        self._set(facts.DECODING, version)
        self._set(facts.DECODING_TRIED, version)

    def set_decoding_tried(self, version: int) -> None:
        """Stores the version of decoding that has tried all skipped files."""
        self._set(facts.DECODING_TRIED, version)

    def set_rebuild(self, sha256: str | None) -> None:
        """Stores the encoder of a rebuild that is under way; None ends the rebuild."""
        self._set(facts.REBUILD_SHA256, sha256)

    def set_goal(self, goal: str) -> None:
        """Stores the goal of the search structure, as JSON."""
        self._set(facts.GOAL, goal)

    def set_generation(self, generation: str | None) -> None:
        """Stores the FAISS generation in use, as JSON; None stands for exact search."""
        self._set(facts.GENERATION, generation)

    def set_last_generation(self, number: int) -> None:
        """Stores the number of the last generation, so that no number is used twice."""
        self._set(facts.LAST_GENERATION, number)

    def set_latency(self, median_ms: float | None, p99_ms: float | None) -> None:
        """Stores the measured milliseconds of a search; None where nothing was measured."""
        self._set(facts.LATENCY, median_ms)
        self._set(facts.LATENCY_P99, p99_ms)

    def selection(self) -> Selection:
        """Returns which files of folders the collection takes."""
        return facts.selection_of(self.folder.place, self._kept(facts.SELECTION))

    def set_selection(self, selection: Selection) -> None:
        """Stores which files of folders the collection takes."""
        self._set(facts.SELECTION, selection.to_json())

    def looked_at(self) -> dict[str, int]:
        """Returns when each folder was last looked at as a whole, in nanoseconds since 1970."""
        return facts.times_of(self.folder.place, self._kept(facts.LOOKED_AT))

    def set_looked_at(self, folders: Iterable[str], time_ns: int) -> None:
        """Stores that these folders, and all below them, were looked at as a whole at this time."""
        given = dict.fromkeys(folders, time_ns)
        others = self.looked_at().items()
        kept = {f: time for f, time in others if all(below(f, one) is None for one in given)}
        self._set(facts.LOOKED_AT, json.dumps(kept | given))

    def _kept(self, key: str) -> object:
        """Returns one fact of the table ``meta``; None where it is not set."""
        return self.database.scalar("SELECT value FROM meta WHERE key = ?", key)

    def _set(self, key: str, value: str | bytes | int | float | None) -> None:
        """Stores one fact in the table ``meta``."""
        self.database.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    # -- roots

    def roots(self) -> list[Root]:
        """Returns all roots, in the order in which they were added.

        Those that have moved along with the collection have the path that they have now.
        """
        rows = self.database.rows("SELECT id, path, given FROM roots ORDER BY id")
        here, was = str(self.folder.real), self.home()
        return [Root(n, along(plain_path(path), was, here), bool(given)) for n, path, given in rows]

    def home(self) -> str | None:
        """Returns where the collection was when its roots were stored; None of an older one."""
        home = self._kept(facts.HOME)
        return plain_path(home) if isinstance(home, str | bytes) else None

    def set_roots(self, roots: Iterable[Root]) -> None:
        """Stores the paths of roots as they are here, from where the collection is now."""
        values = ((text(root.path), root.id) for root in roots)
        self.database.many("UPDATE roots SET path = ? WHERE id = ?", values)
        self._set(facts.HOME, text(str(self.folder.real)))

    def add_root(self, path: str, *, given: bool) -> int:
        """Returns the id of the root at this path, which is added where it is missing.

        A root that was `given` once stays so.
        """
        self.database.rows(
            "INSERT INTO roots (path, given) VALUES (?, ?) "
            "ON CONFLICT (path) DO UPDATE SET given = max(given, excluded.given)",
            text(path),
            int(given),
        )
        return self.database.integer("SELECT id FROM roots WHERE path = ?", text(path))

    def merge_root(self, source: Root, target: int, prefix: str) -> None:
        """Moves the items of a root to the root `target`, a folder above it, and deletes the root.

        `prefix` is the path from `target` down to `source`, and ends in a slash.
        """
        rows = self.database.rows("SELECT path, id FROM items WHERE root_id = ?", source.id)
        moved = [(prefix + plain(path), number) for path, number in rows]
        self.database.many(
            f"UPDATE items SET root_id = ?, path = ?, label = {_KEPT_OR} WHERE id = ?",  # noqa: S608
            ((target, text(path), label_text(path), number) for path, number in moved),
        )
        self.database.rows("DELETE FROM roots WHERE id = ?", source.id)

    def drop_empty_roots(self, *, also_given: Iterable[int] = ()) -> None:
        """Deletes roots without items: those of single files, and those of the given ids."""
        self.database.rows(
            "DELETE FROM roots WHERE (given = 0 OR id IN (SELECT value FROM json_each(?))) "
            "AND NOT EXISTS (SELECT 1 FROM items WHERE root_id = roots.id)",
            json.dumps(list(also_given)),
        )

    # -- items

    def count(self, *, newest: int | None = None) -> int:
        """Returns the number of items; with `newest`, of those embedded up to that revision."""
        if newest is None:
            return self.database.integer("SELECT count(*) FROM items")
        return self.database.integer("SELECT count(*) FROM items WHERE revision <= ?", newest)

    def known(self) -> dict[str, IndexedFile]:
        """Returns the size, time and SHA-256 of all items, by their absolute paths."""
        roots = {root.id: root.path for root in self.roots()}
        return {
            absolute(root_of(roots, root), plain_path(path)): IndexedFile(
                number, size, mtime_ns, sha256
            )
            for number, root, path, size, mtime_ns, sha256 in self.database.rows(
                "SELECT id, root_id, path, size, mtime_ns, sha256 FROM items"
            )
        }

    def insert(self, root: int, relative: str, content: Content, revision: int) -> int:
        """Adds an item and returns its new id.

        Its label is the name of its folder; where labels were given, it has none.
        """
        cursor = self.database.rows(
            "INSERT INTO items (id, root_id, path, label, revision, added_at, size, mtime_ns, "  # noqa: S608
            f"sha256, width, height, embedding, checksum) "
            f"VALUES (?, ?, ?, {_NONE_OR}, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            next_number(self, root, relative),
            root,
            text(relative),
            label_text(relative),
            revision,
            datetime.now(UTC).isoformat(timespec="seconds"),
            *content.values(),
        )
        assert cursor.lastrowid is not None, "after an insertion there is one"
        return cursor.lastrowid

    def replace(self, number: int, content: Content, revision: int) -> None:
        """Gives an item new content; it keeps its id, and the next update reads its EXIF."""
        self.database.rows("DELETE FROM exif WHERE item = ?", number)
        self.database.rows(
            "UPDATE items SET revision = ?, size = ?, mtime_ns = ?, sha256 = ?, width = ?, "
            "height = ?, embedding = ?, checksum = ? WHERE id = ?",
            revision,
            *content.values(),
            number,
        )

    def labels_are_given(self) -> bool:
        """Returns whether the labels were given, and are not the names of the folders."""
        return self._kept(facts.LABELS_GIVEN) is not None

    def give_labels(self, labels: Mapping[int, str | None], *, others: bool = False) -> None:
        """Gives items labels, or none, by their ids, which they keep when they move.

        All others have none; with `others` they keep theirs, names of folders included.
        """
        self._set(facts.LABELS_GIVEN, 1)
        if not others:
            self.database.rows("UPDATE items SET label = NULL")
        for number, label in labels.items():
            self.set_label(number, label)

    def label_by_folder(self) -> None:
        """Gives all items the names of their folders as labels again."""
        self.database.rows("DELETE FROM meta WHERE key = ?", facts.LABELS_GIVEN)
        rows = self.database.rows("SELECT id, path FROM items").fetchall()
        labels = ((label_text(plain(path)), number) for number, path in rows)
        self.database.many("UPDATE items SET label = ? WHERE id = ?", labels)

    def set_label(self, number: int, label: str | None) -> None:
        """Gives one item another label than that of its folder; it stays until the item moves."""
        value = None if label is None else text(composed(label))
        self.database.rows("UPDATE items SET label = ? WHERE id = ?", value, number)

    def touch(self, number: int, mtime_ns: int) -> None:
        """Stores the new time of a file whose content has not changed."""
        self.database.rows("UPDATE items SET mtime_ns = ? WHERE id = ?", mtime_ns, number)

    def move(self, number: int, root: int, relative: str, mtime_ns: int) -> None:
        """Moves an item to another path; it keeps its id.

        It takes the label of its folder; where labels were given, it keeps its own.
        """
        self.database.rows(
            f"UPDATE items SET root_id = ?, path = ?, label = {_KEPT_OR}, mtime_ns = ? "  # noqa: S608
            "WHERE id = ?",
            root,
            text(relative),
            label_text(relative),
            mtime_ns,
            number,
        )

    def delete(self, numbers: Iterable[int]) -> None:
        """Removes the items with these ids."""
        rows = [(number,) for number in numbers]
        self.database.many("DELETE FROM items WHERE id = ?", rows)
        self.database.many("DELETE FROM exif WHERE item = ?", rows)
        self.database.many(
            "DELETE FROM cells WHERE item = ? AND column_id IN (SELECT id FROM columns)", rows
        )

    def embedded(self, sha256: str) -> tuple[int, int, bytes, int] | None:
        """Returns width, height, embedding and its checksum of an item with this SHA-256, if any.

        The embedding is not held against its checksum.
        """
        row = self.database.rows(
            "SELECT width, height, embedding, checksum, id FROM items WHERE sha256 = ? LIMIT 1",
            sha256,
        ).fetchone()
        if row is None:
            return None
        return row[0], row[1], row[2] or blobs_of(self, {row[4]: row[3]})[row[4]], row[3]

    def with_content(self, sha256: str) -> list[int]:
        """Returns the ids of the items with this SHA-256, ascending."""
        rows = self.database.rows("SELECT id FROM items WHERE sha256 = ? ORDER BY id", sha256)
        return [number for (number,) in rows]

    def at(self, path: str) -> int | None:
        """Returns the id of the item at this absolute path; None where there is none."""
        for root in self.roots():
            relative = below(path, root.path)
            if not relative:
                continue
            row = self.database.rows(
                "SELECT id FROM items WHERE root_id = ? AND path = ?", root.id, text(relative)
            ).fetchone()
            if row is not None:
                return int(row[0])
        return None

    def items(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Returns the items with these ids, by id; ids of no item are left out."""
        rows = self.database.rows(
            "SELECT id, root_id, path, label, width, height, size, mtime_ns, sha256, added_at "
            "FROM items WHERE id IN (SELECT value FROM json_each(?))",
            json.dumps([int(number) for number in numbers]),  # json takes no NumPy integers
        )
        roots = {root.id: root.path for root in self.roots()}
        return {
            number: Item(
                number, located(root_of(roots, root)), plain_path(path), plain_label(label), *rest
            )
            for number, root, path, label, *rest in rows
        }

    def labels(self) -> list[str | None]:
        """Returns the labels of all items, in the order of their ids."""
        rows = self.database.rows("SELECT label FROM items ORDER BY id")
        return [plain_label(label) for (label,) in rows]

    def contents(self) -> dict[int, str]:
        """Returns the SHA-256 of all items, by id."""
        return dict(self.database.rows("SELECT id, sha256 FROM items").fetchall())

    # -- skipped files

    def skipped(self) -> list[SkippedFile]:
        """Returns all files that were left out, in the order of their paths."""
        rows = self.database.rows("SELECT path, size, mtime_ns, reason FROM skipped ORDER BY path")
        return [SkippedFile(plain_path(path), *rest) for path, *rest in rows]

    def skip(self, broken: SkippedFile) -> None:
        """Stores a file that is no usable picture, with the reason."""
        self.database.rows(
            "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)",
            text(broken.path),
            broken.size,
            broken.mtime_ns,
            broken.reason,
        )

    def unskip(self, paths: Iterable[str]) -> None:
        """Deletes the entries of skipped files at these absolute paths."""
        self.database.many("DELETE FROM skipped WHERE path = ?", ((text(p),) for p in paths))
