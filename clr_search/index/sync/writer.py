"""Changing a collection: files come and go, vectors are put in, everything is embedded again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index import maintenance
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.search.reader import Reader
from clr_search.index.sync.report import UpdateReport
from clr_search.progress import Reporter, Silent


class Writer(Reader):
    """The writing half of `Index`; what changes a collection loads the encoder when it has to.

    Parameters
    ----------
    catalog : Catalog
        Of the collection.
    lock : WriterLock or None
        Held; None where the collection is open for reading only, and every change is refused.
    reporter : Reporter
        Where messages on damage go.
    device : str
        On what to embed; see `serve.Encoder`.
    """

    def __init__(
        self, catalog: Catalog, lock: WriterLock | None, reporter: Reporter, device: str
    ) -> None:
        super().__init__(catalog, reporter, device)
        self._lock = lock

    @property
    def revision(self) -> int:
        """A number that every change to the collection raises."""
        with self._catalog.reading():
            return self._catalog.revision()

    def update(
        self,
        paths: Sequence[Path | str],
        *,
        reporter: Reporter | None = None,
        batch_size: int = 64,
        workers: int | None = None,
        changed: Iterable[Path | str] | None = None,
    ) -> UpdateReport:
        """Bring the collection up to date with these folders and files.

        New files come in, changed ones are embedded again, moved and renamed ones keep their item,
        and those that have vanished from the given folders leave. What lies in other folders stays
        as it is. A run that is interrupted or killed goes on where it stood when it is run again.

        Parameters
        ----------
        paths : sequence of path
            Folders (searched recursively) and files.
        reporter : Reporter, optional
            Progress.
        batch_size : int
            Pictures embedded, and committed, at a time.
        workers : int, optional
            Threads that decode.
        changed : iterable of path, optional
            For who follows the changes of a file system: where something may have happened since
            an update of the same paths that was not `UpdateReport.untold`. Only these places, and
            what lies below them, are looked at, so that it takes less time; it does and reports the
            same, and looks at everything where links make that necessary. Absolute, as `Item.path`.

        Raises
        ------
        UsageError
            If a path does not exist, no image is found, or a folder whose pictures are in the
            collection has none any more (as when its disk is not mounted).
        """
        return self._bring(paths, reporter, batch_size, workers, drop=True, changed=changed)

    def add(
        self,
        paths: Sequence[Path | str],
        *,
        reporter: Reporter | None = None,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> UpdateReport:
        """Bring files and folders in, as `update` does; nothing leaves for a vanished file."""
        return self._bring(paths, reporter, batch_size, workers, drop=False)

    def _bring(
        self,
        paths: Sequence[Path | str],
        reporter: Reporter | None,
        batch_size: int,
        workers: int | None,
        *,
        drop: bool,
        changed: Iterable[Path | str] | None = None,
    ) -> UpdateReport:
        from clr_search.index.sync.changes import Changes
        from clr_search.index.sync.survey import Survey
        from clr_search.index.sync.update import Update

        self._require_writable()
        if batch_size < 1:
            raise UsageError(f"The batch size is {batch_size}; it must be 1 or more.")
        reporter = reporter or Silent()
        places = None if changed is None else Changes(changed)
        survey = Survey(self._catalog, paths, drop=drop, reporter=reporter, changed=places)
        run = Update(self._catalog, survey, reporter)
        report = run.run(lambda: self.encoder, batch_size=batch_size, workers=workers)
        self._settle(reporter, changed=bool(report.added or report.changed or report.removed))
        return report

    def add_vectors(
        self,
        vectors: NDArray[np.floating],
        paths: Sequence[Path | str],
        labels: Sequence[str | None] | None = None,
        *,
        root: Path | str | None = None,
        reporter: Reporter | None = None,
        settle: bool = True,
    ) -> UpdateReport:
        """Put in embeddings that were made elsewhere, by the encoder of this collection.

        No file is read, and none need be there: such an item has size 0, time 0 and no width or
        height, and in place of the SHA-256 of a file that of its path and vector, so that it is
        never taken for a copy of a file. It is found, filtered by folder, label and id, and removed
        as any other. An `update` of its folder treats it as an item whose file has changed: where
        the file is there it is embedded, under the same id; where it is not, the item leaves. A
        path that is in the collection already gets the new vector and keeps its id.

        Some thousands are committed at a time; killed and called again, it goes on from there.

        Parameters
        ----------
        vectors : array, shape (N, D)
            Of any length but 0; they are brought to unit length and kept as float16.
        paths : sequence of path
            N, all different: absolute, or relative to `root`.
        labels : sequence of (str or None), optional
            N. If not given, labels are the names of the folders, as of pictures. A given label
            holds until the item moves, or its root becomes part of another one.
        root : path, optional
            The folder that all paths lie below, which becomes an indexed folder of the collection.
            If not given, relative paths are relative to the working folder, and each item belongs
            to the indexed folder that it lies below, or else to its own folder.
        reporter : Reporter, optional
            Progress.
        settle : bool
            Whether to build the search structure where it has fallen behind; False for who adds
            in several calls, and calls `settle` after the last.

        Returns
        -------
        UpdateReport
            How many were `added`, `changed`, or `unchanged`.

        Raises
        ------
        UsageError
            If the shapes do not fit, a vector has no direction, a path comes twice or does not lie
            below `root`; then nothing is added.

        Examples
        --------
        ::

            with Index.create("photos.clr", "encoder.onnx") as index:
                index.add_vectors(vectors, ["red/1.jpg", "blue/2.jpg"], root="/photos")
        """
        from clr_search.index.sync.ingest import Given, ingest

        self._require_writable()
        reporter = reporter or Silent()
        report = ingest(
            self._catalog,
            Given(np.asarray(vectors), paths, labels, root),
            reporter,
        )
        if settle:
            self._settle(reporter, changed=bool(report.added or report.changed))
        return report

    def __delitem__(self, number: int) -> None:
        """Take an item out of the collection by its id; its file is not touched.

        An update of the folder it lies in brings it back, under a new id. Many leave sooner by
        `remove`.

        Raises
        ------
        UsageError
            If the collection is open for reading only.
        ClrSearchError
            If there is no such item, or no longer.
        """
        self._require_writable()
        self.item(number)
        with self._catalog.writing():
            self._catalog.delete([number])
            self._catalog.drop_empty_roots()
        self._settle(Silent(), changed=False)

    def remove(self, paths: Sequence[Path | str], *, reporter: Reporter | None = None) -> int:
        """Take files, and all below folders, out of the collection; the files are not touched.

        An update of a folder they still lie in brings them back.

        Returns
        -------
        int
            How many pictures left.

        Raises
        ------
        UsageError
            If one of the paths has nothing in the collection; then nothing leaves.
        """
        from clr_search.index.sync.update import remove

        self._require_writable()
        count = remove(self._catalog, paths)
        self._settle(reporter or Silent(), changed=bool(count))
        return count

    def rebuild(
        self,
        encoder: Path | str,
        *,
        reporter: Reporter | None = None,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> UpdateReport:
        """Embed every picture again, with another encoder.

        Until the last one is done the collection stays as it was, to others and after kill -9; run
        again, a rebuild that was cut short goes on. Pictures whose files are gone leave.

        Raises
        ------
        UsageError
            If the encoder is none, or a folder of the collection is not there, or goes away.
        ClrSearchError
            If a picture could not be read that is not gone.
        """
        from clr_search.index.sync.rebuild import Rebuild

        self._require_writable()
        reporter = reporter or Silent()
        run = Rebuild(self._catalog, Path(encoder), reporter, self._device)
        report = run.run(batch_size=batch_size, workers=workers)
        self._settle(reporter, changed=True)
        return report

    def aim(
        self,
        *,
        recall: float | None = None,
        memory: float | None = None,
        graph: bool | None = None,
    ) -> None:
        """Set what the search structure has to reach; the next change of the index builds it so.

        It is kept in the collection. What is not given stays as it was. A collection may outgrow
        its memory: then its structure stays as it was, and every change tells of it.

        Parameters
        ----------
        recall : float, optional
            Least recall@10, in (0, 1); 0.97 at first.
        memory : float, optional
            Most bytes that the structure may take; `math.inf`, as at first, does not bound it.
        graph : bool, optional
            Whether a large collection is searched through a graph (HNSW), which takes longer to
            build, and answers sooner among a million items; not at first.

        Raises
        ------
        UsageError
            If one of them is out of range, or nothing over the items there are now fits into the
            memory.
        """
        self._require_writable()
        with self._catalog.reading():
            goal = maintenance.goal_of(self._catalog)
        if recall is not None:
            goal = replace(goal, recall=recall)
        if memory is not None:
            if math.isnan(memory):
                raise UsageError("The memory is no number.", "Give bytes, or math.inf.")
            goal = replace(goal, memory=None if memory == math.inf else int(memory))
        if graph is not None:
            goal = replace(goal, graph=graph)
        maintenance.set_goal(self._catalog, goal)

    def settle(self, *, reporter: Reporter | None = None) -> None:
        """Build the search structure that the collection needs now; all changes do that already."""
        self._require_writable()
        self._settle(reporter or Silent(), changed=False)

    def _settle(self, reporter: Reporter, *, changed: bool) -> None:
        renewed = maintenance.settle(self._catalog, reporter)
        if changed or renewed:
            latency = self.latency()
            with self._catalog.writing():
                self._catalog.set_latency(latency.median, latency.p99)

    def _require_writable(self) -> None:
        if self._lock is None:
            raise UsageError(
                f"{self._catalog.folder} is open for reading only.",
                "Open it with Index.open(path, writable=True).",
            )
