"""Bringing a collection up to date with the files on disk.

The cheap changes are committed first: new times, known content under new names, vanished files.
Batches of new embeddings follow, each in one transaction with its items. A run that is killed at
any moment therefore leaves a consistent catalogue, and the next run embeds what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.stores.address import located
from clr_search.files.stores.failures import StoreError
from clr_search.images import DECODING, Note
from clr_search.images.isolation import DecodingLimits
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import notes, store
from clr_search.index.catalog.paths import PathSet, canonical, folder_identity, in_known_form
from clr_search.index.catalog.records import (
    Content,
    IndexedFile,
    NotedItem,
    SkippedFile,
    SkippedItem,
    countable,
    time_of,
)
from clr_search.index.catalog.vectors import to_blob
from clr_search.index.sync import roots
from clr_search.index.sync.report import Plan, UpdateReport
from clr_search.index.sync.survey import Survey
from clr_search.progress import Reporter
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embed, Embedded, Skipped, by_pipeline

_COMMIT = 1000  # moved files or copies in one transaction; a killed run loses no more than these

_File = TypeVar("_File")


class Update:
    """One run that brings a collection up to date with some paths.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    survey : Survey
        The survey of the paths, made with the same catalogue.
    reporter : Reporter
        The reporter that shows the progress.
    """

    def __init__(self, catalog: Catalog, survey: Survey, reporter: Reporter) -> None:
        self._catalog = catalog
        self._survey = survey
        self._reporter = reporter
        self._noted: list[NotedItem] = []

    def run(
        self,
        encoder: Callable[[], Encoder],
        *,
        batch_size: int,
        workers: int | None,
        isolation: DecodingLimits | None,
        embed: Embed | None = None,
    ) -> UpdateReport:
        """Compare the collection with the disk, and commit every difference.

        Parameters
        ----------
        encoder : callable
            Loads the encoder; it is called only if there is a file to embed.
        batch_size : int
            Pictures that are embedded, and committed, at a time.
        workers : int or None
            Threads that decode; None lets the pipeline choose.
        isolation : DecodingLimits or None
            Limits of the worker processes that decode; None to decode in this process.
        embed : Embed, optional
            What embeds files in place of `embed_files`, for which the three above are.

        Returns
        -------
        UpdateReport
            The numbers of pictures that came in, changed, moved, left and stayed.

        Raises
        ------
        UsageError
            If the survey refuses the paths; see `Survey.plan`.
        ClrSearchError
            If a store does not answer; the batches that are done are committed.
        KeyboardInterrupt
            If the user stops it; the batches that are done are committed.
        """
        plan, known = self._survey.plan()
        self._apply(plan)
        added, changed, removed, skipped = self._embed(
            plan, known, encoder, embed or by_pipeline(batch_size, workers, isolation)
        )
        looked = self._survey.looked()
        if looked is not None:
            with self._catalog.database.writing():  # no change of the items, so no new revision
                self._catalog.set_looked_at(*looked)
        noted = sorted(self._noted, key=lambda item: item.path)
        if plan.tried_all:
            with self._catalog.writing():
                self._catalog.set_decoding_tried(DECODING)
        unreadable = [*((broken.path, broken.reason) for broken in plan.still_unreadable), *skipped]
        unreadable += plan.left_out.folders.items()
        return UpdateReport(
            added=added + len(plan.copies),
            changed=changed,
            moved=len(plan.moved),
            removed=removed + len(plan.vanished),
            unchanged=plan.unchanged,
            skipped=tuple(
                SkippedItem(located(path), reason) for path, reason in sorted(unreadable)
            ),
            untold=bool(plan.left_out.untold),
            passed_over=plan.left_out.kinds(),
            left_out=tuple(sorted(plan.left_out.others.items())),
            noted=tuple(noted),
        )

    def _apply(self, plan: Plan) -> None:
        """Commits the changes that need no embedding."""
        for moved in _batches(plan.moved):
            with self._catalog.writing():
                for path, status, number in moved:
                    self._catalog.move(number, *roots.home(self._catalog, path), time_of(status))
                self._catalog.unskip(path for path, _, _ in moved)
        if plan.moved:
            with self._catalog.writing():
                gone = [r.id for r in self._catalog.roots() if folder_identity(r.path) is None]
                self._catalog.drop_empty_roots(also_given=gone)
        for copies in _batches(plan.copies):
            with self._catalog.writing() as revision:
                for path, status, sha256 in copies:
                    stored = self._catalog.embedded(sha256)
                    assert stored is not None, "nothing is removed before"
                    root, relative = roots.home(self._catalog, path)
                    content = Content(status.st_size, time_of(status), sha256, *stored)
                    self._catalog.insert(root, relative, content, revision)
                self._catalog.unskip(path for path, _, _ in copies)
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
        embed: Embed,
    ) -> tuple[int, int, int, list[tuple[str, str]]]:
        """Returns the numbers of added, changed, removed items, and skipped paths with reasons."""
        added = changed = removed = done = 0
        skipped: list[tuple[str, str]] = []
        if not plan.embed:
            return added, changed, removed, skipped
        with self._reporter.task("Embedding", len(plan.embed), "images"):
            try:
                for batch in embed(encoder(), plan.embed):
                    results = [checked(result) for result in batch]
                    commit(self._catalog, results, known)
                    for result in results:
                        item = known.get(str(result.path))
                        if isinstance(result, Skipped):
                            skipped.append((str(result.path), result.reason))
                            removed += item is not None and was_read(result)
                            continue
                        if result.notes:
                            self._noted.append(NotedItem(result.path, result.notes))
                        if item:
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
            except ClrSearchError as error:
                raise stopped(error, done, len(plan.embed)) from error
        return added, changed, removed, skipped


def stopped(error: ClrSearchError, done: int, of: int, more: str = "") -> ClrSearchError:
    """Returns the error of a store or an engine that went away, with how much is done by then.

    Any other error is returned as it is.

    Examples
    --------
    >>> str(stopped(ClrSearchError("The store is away."), 20, 50))
    'The store is away; 20 of 50 images are done and kept.'
    """
    if type(error) not in (ClrSearchError, StoreError):
        return error
    what = error.what.rstrip(".")
    return ClrSearchError(
        f"{what}; {done:,} of {of:,} images are done and kept{more}.", error.remedy
    )


def commit(
    catalog: Catalog,
    results: Iterable[Embedded | Skipped],
    known: Mapping[str, IndexedFile],
) -> None:
    """Commits the results of one batch, in a transaction.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    results : iterable of Embedded or Skipped
        The results.
    known : mapping of str to IndexedFile
        The items of the collection before, by absolute path.
    """
    read: list[tuple[str, Sequence[Note]]] = []
    with catalog.writing() as revision:
        for result in results:
            path = str(result.path)
            item = known.get(path)
            if isinstance(result, Skipped):
                if item is None or was_read(result):
                    catalog.skip(
                        SkippedFile(path, result.size, countable(result.mtime_ns), result.reason)
                    )
                    catalog.delete([item.id] if item else [])
                continue
            content = content_of(result)
            if item:
                number = item.id
                catalog.replace(number, content, revision)
            else:
                number = catalog.insert(*roots.home(catalog, path), content, revision)
            if result.exif is not None:
                store.put_exif(catalog, [(number, result.exif)])
            read.append((content.sha256, result.notes))
            catalog.unskip([path])
        notes.keep(catalog, read)


def was_read(result: Skipped | SkippedFile) -> bool:
    """Whether the bytes of a skipped file were read, so that they are bad and not out of reach.

    A file that could not be read, as on a disk that fails for now, has size and time 0. These never
    match, so that every run tries it again; if the file is an item, the item stays as it was.

    Examples
    --------
    >>> was_read(SkippedFile("/photos/a.jpg", 0, 0, "the disk failed"))
    False
    """
    return (result.size, result.mtime_ns) != (0, 0)


def content_of(result: Embedded) -> Content:
    """Returns an embedded file as the catalogue stores it, with the vector as float16."""
    return Content(
        result.size,
        countable(result.mtime_ns),
        result.sha256,
        result.width,
        result.height,
        to_blob(result.vector),
    )


def checked(result: Embedded | Skipped) -> Embedded | Skipped:
    """Returns the result, or a `Skipped` in its place if its vector is not finite."""
    if isinstance(result, Embedded) and not np.isfinite(result.vector).all():
        return Skipped(
            result.path, result.size, result.mtime_ns, "the encoder gives no finite vector for it"
        )
    return result


def _batches(files: list[_File]) -> Iterable[list[_File]]:
    """Yields the files in batches of one transaction each."""
    return (files[start : start + _COMMIT] for start in range(0, len(files), _COMMIT))


def remove(catalog: Catalog, paths: Sequence[Path | str]) -> int:
    """Remove files, and all below folders, from the collection; the files themselves stay.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    paths : sequence of path
        Files and folders, absolute or relative to the working folder.

    Returns
    -------
    int
        The number of items that were removed.

    Raises
    ------
    UsageError
        If nothing at or below one of the paths is in the collection; nothing is removed then.
    """
    absolute_paths = [canonical(path) for path in paths]
    with catalog.writing():
        known = catalog.known()
        skipped = [entry.path for entry in catalog.skipped()]
        absolute_paths = in_known_form(absolute_paths, [*known, *skipped])
        given_paths = PathSet(absolute_paths)
        removed = {path: item.id for path, item in known.items() if given_paths.containing(path)}
        forgotten = [path for path in skipped if given_paths.containing(path)]
        matched: set[str] = set()
        for path in (*removed, *forgotten):
            matched |= given_paths.containing(path)
        for path, original in zip(absolute_paths, paths, strict=True):
            if path not in matched:
                raise UsageError(
                    f"{original} is not in {catalog.folder}.",
                    "Give a file or folder that was indexed, as an absolute path or relative to "
                    "the working folder.",
                )
        catalog.delete(removed.values())
        catalog.unskip(forgotten)
        emptied = [root.id for root in catalog.roots() if given_paths.containing(root.path)]
        catalog.drop_empty_roots(also_given=emptied)
    return len(removed)
