"""`Annotator`: what is known of pictures beside their pixels, from their files and from tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError
from clr_search.files.stores.address import located
from clr_search.images.metadata.exif import Exif, read_exif
from clr_search.index.catalog.columns import store
from clr_search.index.catalog.columns.literals import Value, kind_of, value_of
from clr_search.index.catalog.columns.store import ColumnInfo
from clr_search.index.catalog.paths import status_of
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.writer import Writer
from clr_search.progress import Reporter, Silent

if TYPE_CHECKING:
    from clr_search.images.isolation import DecodingLimits

_COMMIT = 1000  # items in one transaction; a killed run loses no more than these


class Annotator(Writer):
    """Everything of `Writer`, and columns of the items: those of EXIF and those of one's own."""

    def _bring(
        self,
        paths: Sequence[Path | str],
        reporter: Reporter | None,
        batch_size: int,
        workers: int | None,
        isolation: DecodingLimits | None,
        *,
        drop: bool,
        changed: Iterable[Path | str] | None = None,
        verify: bool = False,
    ) -> UpdateReport:
        """Runs an update, and reads the EXIF of items of which it has not been read."""
        report = super()._bring(
            paths,
            reporter,
            batch_size,
            workers,
            isolation,
            drop=drop,
            changed=changed,
            verify=verify,
        )
        self._read_exif(reporter or Silent())
        return report

    def give_columns(self, columns: Mapping[str, Mapping[int, store.Value]]) -> None:
        """Give pictures columns of one's own, in one transaction.

        The kind of a column is the narrowest that all its values are of: integer, real, date, or
        else text. A column of the same name is replaced; others stay.

        Parameters
        ----------
        columns : mapping of str to mapping of int to int, float or str
            For each column, its values by the ids of pictures; others have none.

        Raises
        ------
        UsageError
            If a column is called as one that every collection has.

        Examples
        --------
        ``index.give_columns({"rating": {3: 5, 7: 2}})``
        """
        self._require_writable()
        with self._catalog.writing():
            own = store.given_columns(self._catalog)
            for name, values in columns.items():
                taken = {
                    known.casefold() for known in store.kinds(self._catalog) if known not in own
                }
                if name.casefold() in taken:
                    raise UsageError(
                        f"Every collection has a column {name}.", "Give yours another name."
                    )
                texts = {number: str(value) for number, value in values.items()}
                kind = kind_of(list(texts.values()))
                typed = {number: value_of(value, kind) for number, value in texts.items()}
                store.give(self._catalog, name, kind, typed)

    def drop_columns(self, names: Iterable[str]) -> None:
        """Remove columns of one's own with all their values, in one transaction.

        Raises
        ------
        UsageError
            If there is no column of such a name, or every collection has it.
        """
        self._require_writable()
        with self._catalog.writing():
            known = store.kinds(self._catalog)
            for name in [store.spelt(name, known) for name in names]:
                if name in store.EVERYWHERE:
                    raise UsageError(
                        f"Every collection has the column {name}.",
                        "Only those that --metadata gave can be dropped.",
                    )
                store.drop(self._catalog, name)

    def kinds(self, *, own: bool = False) -> dict[str, str]:
        """Returns the kind of each column that conditions and queries may name.

        Parameters
        ----------
        own : bool
            Whether only those are listed that were given by `give_columns`.

        Returns
        -------
        dict of str to str
            ``"integer"``, ``"real"``, ``"text"`` or ``"date"`` by the names of the columns.
        """
        with self._catalog.reading():
            if own:
                return {
                    name: kind for name, (_, kind) in store.given_columns(self._catalog).items()
                }
            return store.kinds(self._catalog)

    def columns(self) -> list[ColumnInfo]:
        """Returns the columns with their kinds, and the numbers of pictures that have a value."""
        with self._catalog.reading():
            return store.described(self._catalog)

    def values(self, ids: Sequence[int], name: str) -> dict[int, Value]:
        """Returns the values of a column that these pictures have, by their ids.

        Raises
        ------
        UsageError
            If the collection has no such column.
        """
        with self._catalog.reading():
            known = store.kinds(self._catalog)
            return store.values(self._catalog, ids, store.spelt(name, known))

    def _read_exif(self, reporter: Reporter) -> None:
        """Reads the EXIF of items that are new or changed, or come from an older release.

        An item whose file is not the one that was embedded is left for the update that embeds it.
        """
        with self._catalog.reading():
            missing = store.without_exif(self._catalog)
        if not missing:
            return
        with reporter.task("Reading dates and cameras", len(missing), "images"):
            for start in range(0, len(missing), _COMMIT):
                part = missing[start : start + _COMMIT]
                read = list(_read(part))
                if read:
                    with self._catalog.writing():
                        store.put_exif(self._catalog, read)
                reporter.advance(len(part))


def _read(items: Iterable[tuple[int, str, int, int]]) -> Iterator[tuple[int, Exif]]:
    """Yields id and EXIF of the items whose files are there, and unchanged."""
    for number, path, size, mtime_ns in items:
        try:
            status = status_of(path)
            if status and (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
                yield number, read_exif(located(path))
        except (OSError, ValueError):
            continue
