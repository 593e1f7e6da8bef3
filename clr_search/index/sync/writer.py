"""`Writer`: every change of a collection, from single files to another encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.nofollow import NotOursError
from clr_search.index import maintenance
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.settings import Settings
from clr_search.progress import Reporter, Silent

if TYPE_CHECKING:
    from clr_search.images.isolation import DecodingLimits
    from clr_search.serve.pipeline import Embed, Embedded, Skipped


class Writer(Settings):
    """The writing half of `Index`; methods load the encoder only if they have to embed."""

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
        isolation: DecodingLimits | None = None,
        changed: Iterable[Path | str] | None = None,
        verify: bool = False,
        embed: Embed | None = None,
    ) -> UpdateReport:
        """Bring the collection up to date with these folders and files.

        New files come in, changed files are embedded again, moved and renamed files keep their
        items, and items whose files have vanished from the given folders leave. Items of other
        folders stay as they are. A run that was interrupted or killed goes on when it is run again.

        Parameters
        ----------
        paths : sequence of path
            Folders (searched recursively) and files.
        reporter : Reporter, optional
            The reporter that shows the progress; none if not given.
        batch_size : int
            Pictures that are embedded, and committed, at a time; at least 1.
        workers : int, optional
            Threads that decode; the pipeline chooses if not given.
        isolation : DecodingLimits, optional
            Decode in worker processes, each picture within these limits, as for pictures of
            strangers.
        changed : iterable of path, optional
            Absolute paths, as `Item.path`, that may have changed since an update of the same
            `paths` whose report was not `UpdateReport.untold`. Only these and the paths below them
            are looked at, which is faster and has the same result, unless links make it necessary
            to look at everything. Programs that follow a file system's changes give it.
        verify : bool
            Whether to compare the content of every picture. Otherwise a file whose size and times
            are as they were counts as unchanged.
        embed : Embed, optional
            What embeds elsewhere, such as `RayEngine.embed`; decoding is then its own affair.

        Returns
        -------
        UpdateReport
            The numbers of pictures that came in, changed, moved, left and stayed.

        Raises
        ------
        UsageError
            If a path does not exist, no image is found, or a folder whose pictures are in the
            collection has none any more (as when its disk is not mounted).

        Examples
        --------
        ``with Index.open("photos.clr", writable=True) as index: index.update(["/photos"])``
        """
        return self._bring(
            paths,
            reporter,
            batch_size,
            workers,
            isolation,
            drop=True,
            changed=changed,
            verify=verify,
            embed=embed,
        )

    def add(
        self,
        paths: Sequence[Path | str],
        *,
        reporter: Reporter | None = None,
        batch_size: int = 64,
        workers: int | None = None,
        isolation: DecodingLimits | None = None,
    ) -> UpdateReport:
        """Add files and folders as `update` does, but keep items whose files have vanished."""
        return self._bring(paths, reporter, batch_size, workers, isolation, drop=False)

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
        embed: Embed | None = None,
    ) -> UpdateReport:
        """Runs an update, and builds the search structure if it has fallen behind."""
        from clr_search.index.sync.changes import Changes
        from clr_search.index.sync.survey import Survey
        from clr_search.index.sync.update import Update

        self._require_writable()
        self.require_encoder()
        if batch_size < 1:
            raise UsageError(f"The batch size is {batch_size}; it must be 1 or more.")
        reporter = reporter or Silent()
        changes = None if changed is None else Changes(changed)
        survey = Survey(
            self._catalog, paths, drop=drop, reporter=reporter, changed=changes, verify=verify
        )
        update = Update(self._catalog, survey, reporter)
        report = update.run(
            lambda: self.encoder,
            batch_size=batch_size,
            workers=workers,
            isolation=isolation,
            embed=embed,
        )
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
        """Add embeddings that were made elsewhere, by the encoder of this collection if it has one.

        No file is read, and none need exist. Such an item has size, time, width and height 0, and
        instead of the SHA-256 of a file that of its path, label and vector, so that it is never
        taken for a copy of a file. It is found, filtered and removed as any other item. An `update`
        of its folder treats it as an item whose file has changed: if the file exists it is
        embedded, under the same id; if not, the item leaves. A path that is in the collection
        already gets the new vector and keeps its id. The items are committed 4,096 at a time; a
        call that was killed and is made again goes on.

        Parameters
        ----------
        vectors : array, shape (N, D)
            Vectors of any length but 0; they are scaled to unit length and stored as float16.
        paths : sequence of path, length N
            Paths of the items, all different: absolute, or relative to `root`.
        labels : sequence of (str or None), length N, optional
            Labels of the items; the names of their folders if not given, as of pictures. A given
            label stays until the item moves, or its root is merged into another one.
        root : path, optional
            The folder that all paths lie below, which becomes an indexed folder of the collection.
            If not given, relative paths are relative to the working folder, and each item belongs
            to the indexed folder that it lies below, or else to its own folder.
        reporter : Reporter, optional
            The reporter that shows the progress; none if not given.
        settle : bool
            Whether to build the search structure if it has fallen behind. A program that adds in
            several calls gives False, and calls `settle` after the last.

        Returns
        -------
        UpdateReport
            The numbers of items that were `added`, `changed`, or `unchanged`.

        Raises
        ------
        UsageError
            If the shapes do not fit, a vector has no direction, or a path is given twice or does
            not lie below `root`; nothing is added then.

        Examples
        --------
        ``index.add_vectors(vectors, ["red/1.jpg", "blue/2.jpg"], root="/photos")``
        """
        from clr_search.index.sync.ingest import Given, ingest

        self._require_writable()
        reporter = reporter or Silent()
        given = Given(np.asarray(vectors), paths, labels, root)
        report = ingest(self._catalog, given, reporter)
        if settle:
            self._settle(reporter, changed=bool(report.added or report.changed))
        return report

    def add_embedded(
        self,
        batches: Iterable[Sequence[Embedded | Skipped]],
        roots: Sequence[Path | str] = (),
        *,
        reporter: Reporter | None = None,
    ) -> UpdateReport:
        """Add files that the encoder of this collection has embedded elsewhere; none is read.

        An item is then as if this collection had embedded it, so that an `update` leaves it.

        Parameters
        ----------
        batches : iterable of sequences of Embedded or Skipped
            Results, of absolute paths; one list is committed at a time.
        roots : sequence of path
            Absolute folders that become indexed ones.
        reporter : Reporter, optional
            Shows the progress.
        """
        from clr_search.index.sync.ingest import ingest_embedded

        self._require_writable()
        reporter, folders = reporter or Silent(), [str(root) for root in roots]
        report = ingest_embedded(self._catalog, batches, folders, reporter)
        self._settle(reporter, changed=bool(report.added or report.changed))
        return report

    def __delitem__(self, number: int) -> None:
        """Remove an item from the collection by its id; its file is not touched.

        An update of its folder brings the picture back, under a new id. `remove` is faster for
        many items.

        Raises
        ------
        UsageError
            If the collection is open for reading only.
        ClrSearchError
            If the collection has no item of this id, or no longer has it.
        """
        self._require_writable()
        self.item(number)
        with self._catalog.writing():
            self._catalog.delete([number])
            self._catalog.drop_empty_roots()
        self._settle_after_removal(Silent(), changed=False)

    def remove(self, paths: Sequence[Path | str], *, reporter: Reporter | None = None) -> int:
        """Remove files, and all below folders, from the collection; the files are not touched.

        An update of the folder that they lie in brings them back.

        Parameters
        ----------
        paths : sequence of path
            Files and folders, absolute or relative to the working folder.
        reporter : Reporter, optional
            The reporter that shows the progress; none if not given.

        Returns
        -------
        int
            The number of pictures that left.

        Raises
        ------
        UsageError
            If nothing at or below one of the paths is in the collection; nothing leaves then.
        """
        from clr_search.index.sync.update import remove

        self._require_writable()
        count = remove(self._catalog, paths)
        self._settle_after_removal(reporter or Silent(), changed=bool(count))
        return count

    def rebuild(
        self,
        encoder: Path | str,
        *,
        reporter: Reporter | None = None,
        batch_size: int = 64,
        workers: int | None = None,
        isolation: DecodingLimits | None = None,
        share_encoder: bool = False,
    ) -> UpdateReport:
        """Embed every picture again, with another encoder.

        The collection stays as it was, for its readers and also after ``kill -9``, until the last
        picture is embedded. A rebuild that was cut short goes on when it is run again. Pictures
        whose files are gone leave.

        Parameters
        ----------
        encoder : path
            The model file of the new encoder, such as ``encoder.onnx``.
        reporter : Reporter, optional
            The reporter that shows the progress; none if not given.
        batch_size : int
            Pictures that are embedded, and committed, at a time; at least 1.
        workers : int, optional
            Threads that decode; the pipeline chooses if not given.
        isolation : DecodingLimits, optional
            As of `update`.
        share_encoder : bool
            As of `Index.create`.

        Returns
        -------
        UpdateReport
            The numbers of pictures that were embedded again (`changed`) and left (`removed`).

        Raises
        ------
        UsageError
            If the file is no encoder, or a folder of the collection does not exist or goes away.
        ClrSearchError
            If a picture could not be read although its file is not gone.
        """
        from clr_search.index.sync.rebuild import Rebuild

        self._require_writable()
        if self._catalog.remote is not None:
            self._catalog.remote.refuse(
                "Embedding everything again in place",
                "Make a collection of another name with the new encoder, then use that one: "
                f"clr-search build-index IMAGES --index NAME --encoder {encoder}",
            )
        reporter = reporter or Silent()
        run = Rebuild(
            self._catalog, Path(encoder), reporter, self._device, share_encoder=share_encoder
        )
        report = run.run(batch_size=batch_size, workers=workers, isolation=isolation)
        self._settle(reporter, changed=True)
        return report

    def settle(self, *, reporter: Reporter | None = None, retune: bool = False) -> None:
        """Build the search structure that the items need now; every change does so by itself.

        Parameters
        ----------
        reporter : Reporter, optional
            Receives messages.
        retune : bool
            Whether it is chosen and built anew in any case, by measuring on this machine, as is
            due after the collection has moved to another processor.
        """
        self._require_writable()
        self._settle(reporter or Silent(), changed=False, retune=retune)

    def _settle_after_removal(self, reporter: Reporter, *, changed: bool) -> None:
        """Builds the structure if needed; where that fails, the removal is committed all the same.

        What was removed is masked in the structure before, so that only a message is due.
        """
        try:
            self._settle(reporter, changed=changed)
        except NotOursError:
            raise
        except ClrSearchError as error:
            reporter.message(f"They are removed. The search structure stays as it was: {error}")

    def _settle(self, reporter: Reporter, *, changed: bool, retune: bool = False) -> None:
        """Builds the structure if needed, and measures the latency anew if anything changed.

        That of a server is measured when its index is another one: there, items change little.
        """
        renewed = maintenance.settle(self._catalog, reporter, retune=retune)
        if self._catalog.remote is not None:
            with self._catalog.reading():
                changed = changed and self._catalog.facts().latency_ms is None
        if changed or renewed:
            latency = self.latency()
            with self._catalog.writing():
                few = self._catalog.remote is not None  # too few for a percentile
                self._catalog.set_latency(latency.median, None if few else latency.p99)
