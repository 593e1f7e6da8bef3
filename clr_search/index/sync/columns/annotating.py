"""`Annotator`: what is known of pictures beside their pixels, from their files and from tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.images.metadata.exif import Exif, read_exif
from clr_search.index.catalog.columns import store
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
            status = os.stat(path)  # noqa: PTH116  # a million Paths are slow
            if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
                yield number, read_exif(Path(path))
        except (OSError, ValueError):
            continue
