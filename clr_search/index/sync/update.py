"""Bringing a collection up to date with what lies on disk.

The cheap changes are committed first (new times, known content under new names, vanished files);
then batches of new embeddings, each in one transaction with its items. So a run that is killed at
any instant leaves a catalogue that is right as far as it goes, and the next run embeds what is
missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from clr_search.errors import UsageError
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import PathSet, canonical
from clr_search.index.catalog.records import Content, IndexedFile, SkippedFile, SkippedItem
from clr_search.index.catalog.vectors import to_blob
from clr_search.index.sync import roots
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.survey import Plan, Survey
from clr_search.progress import Reporter
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, Skipped, embed_files

_COMMIT = 1000  # moved files or copies in one transaction

_File = TypeVar("_File")


class Update:
    """One run over some paths.

    Parameters
    ----------
    catalog : Catalog
        Writable.
    survey : Survey
        Of the paths, in the same catalogue.
    reporter : Reporter
        Is told the progress.
    """

    def __init__(self, catalog: Catalog, survey: Survey, reporter: Reporter) -> None:
        self._catalog = catalog
        self._survey = survey
        self._reporter = reporter

    def run(
        self, encoder: Callable[[], Encoder], *, batch_size: int, workers: int | None
    ) -> UpdateReport:
        """Do it; raises KeyboardInterrupt once what is done has been committed."""
        plan, known = self._survey.plan()
        self._apply(plan)
        added, changed, removed, skipped = self._embed(plan, known, encoder, batch_size, workers)
        unreadable = [*((broken.path, broken.reason) for broken in plan.still_unreadable), *skipped]
        unreadable += plan.left_out.folders.items()
        return UpdateReport(
            added=added + len(plan.copies),
            changed=changed,
            moved=len(plan.moved),
            removed=removed + len(plan.vanished),
            unchanged=plan.unchanged,
            skipped=tuple(SkippedItem(Path(path), reason) for path, reason in sorted(unreadable)),
            untold=bool(plan.left_out.untold),
            passed_over=plan.left_out.kinds(),
        )

    def _apply(self, plan: Plan) -> None:
        for moved in _parts(plan.moved):
            with self._catalog.writing():
                for path, status, number in moved:
                    self._catalog.move(number, *roots.home(self._catalog, path), status.st_mtime_ns)
                self._catalog.unskip(path for path, _, _ in moved)
        for part in _parts(plan.copies):
            with self._catalog.writing() as revision:
                for path, status, sha256 in part:
                    row = self._catalog.embedded(sha256)
                    assert row is not None, "nothing is removed before"
                    root, relative = roots.home(self._catalog, path)
                    content = Content(status.st_size, status.st_mtime_ns, sha256, *row)
                    self._catalog.insert(root, relative, content, revision)
                self._catalog.unskip(path for path, _, _ in part)
        if plan.touched or plan.vanished or plan.forgotten:
            with self._catalog.writing():
                for number, mtime_ns in plan.touched:
                    self._catalog.touch(number, mtime_ns)
                self._catalog.delete(plan.vanished)
                self._catalog.unskip(plan.forgotten)
                self._catalog.drop_empty_roots()

    def _embed(
        self,
        plan: Plan,
        known: dict[str, IndexedFile],
        encoder: Callable[[], Encoder],
        batch_size: int,
        workers: int | None,
    ) -> tuple[int, int, int, list[tuple[str, str]]]:
        """Added, changed and removed items; skipped paths with their reasons."""
        added = changed = removed = done = 0
        skipped: list[tuple[str, str]] = []
        if not plan.embed:
            return added, changed, removed, skipped
        with self._reporter.task("Embedding", len(plan.embed), "images"):
            try:
                files = (Path(path) for path in plan.embed)
                for batch in embed_files(encoder(), files, batch_size=batch_size, workers=workers):
                    results = [checked(result) for result in batch]
                    self._commit(results, known)
                    for result in results:
                        item = known.get(str(result.path))
                        if isinstance(result, Skipped):
                            skipped.append((str(result.path), result.reason))
                            removed += item is not None and was_read(result)
                        elif item:
                            changed += 1
                        else:
                            added += 1
                    done += len(batch)
                    self._reporter.advance(len(batch), f"{len(skipped)} skipped" if skipped else "")
            except KeyboardInterrupt:
                self._reporter.message(
                    f"Stopped: {done:,} of {len(plan.embed):,} images are done and kept; the same "
                    "command goes on from there."
                )
                raise
        return added, changed, removed, skipped

    def _commit(self, results: Iterable[Embedded | Skipped], known: dict[str, IndexedFile]) -> None:
        catalog = self._catalog
        with catalog.writing() as revision:
            for result in results:
                path = str(result.path)
                item = known.get(path)
                if isinstance(result, Skipped):
                    if item is None or was_read(result):
                        catalog.skip(SkippedFile(path, result.size, result.mtime_ns, result.reason))
                        catalog.delete([item.id] if item else [])
                    continue
                content = content_of(result)
                if item:
                    catalog.replace(item.id, content, revision)
                else:
                    catalog.insert(*roots.home(self._catalog, path), content, revision)
                catalog.unskip([path])


def was_read(result: Skipped | SkippedFile) -> bool:
    """Whether its bytes are bad, and not only out of reach, as of a disk that fails for now.

    A file that could not be read is tried again at every run, having a time that never matches; if
    it is an item, it stays as it was.
    """
    return (result.size, result.mtime_ns) != (0, 0)


def content_of(result: Embedded) -> Content:
    """A file that was embedded, as the catalogue keeps it."""
    return Content(
        result.size,
        result.mtime_ns,
        result.sha256,
        result.width,
        result.height,
        to_blob(result.vector),
    )


def checked(result: Embedded | Skipped) -> Embedded | Skipped:
    """The result, unless its vector cannot be searched for."""
    if isinstance(result, Embedded) and not np.isfinite(result.vector).all():
        return Skipped(
            result.path, result.size, result.mtime_ns, "the encoder gives no finite vector for it"
        )
    return result


def _parts(files: list[_File]) -> Iterable[list[_File]]:
    return (files[start : start + _COMMIT] for start in range(0, len(files), _COMMIT))


def remove(catalog: Catalog, paths: Sequence[Path | str]) -> int:
    """Take files and folders out of the collection; their files stay where they are.

    Raises
    ------
    UsageError
        If one of the paths has nothing in the collection; then nothing is removed.
    """
    given = [canonical(path) for path in paths]
    places = PathSet(given)
    with catalog.writing():
        doomed = {
            name: item.id for name, item in catalog.known().items() if places.containing(name)
        }
        forgotten = [entry.path for entry in catalog.skipped() if places.containing(entry.path)]
        met: set[str] = set()
        for name in (*doomed, *forgotten):
            met |= places.containing(name)
        for path, spelt in zip(given, paths, strict=True):
            if path not in met:
                raise UsageError(
                    f"{spelt} is not in {catalog.folder}.",
                    "Give a file or folder that was indexed, as an absolute path or relative to "
                    "the working folder.",
                )
        catalog.delete(doomed.values())
        catalog.unskip(forgotten)
        emptied = [root.id for root in catalog.roots() if places.containing(root.path)]
        catalog.drop_empty_roots(also_given=emptied)
    return len(doomed)
