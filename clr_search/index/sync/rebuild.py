"""Embedding a whole collection again with another encoder, never leaving it half done.

1. The new encoder is copied in as ``encoder.next.onnx``.
2. New embeddings are staged in the catalogue, beside the old ones, one batch a transaction; readers
   go on using the old ones. A rebuild that is killed and run again embeds only what is not staged.
3. One transaction replaces the old embeddings by the staged ones, pins the new encoder and drops
   the FAISS generation. It is rolled back if a picture could not be read for now, or a disk went
   away meanwhile; the same command run again then goes on.
4. ``encoder.next.onnx`` is renamed. If the process is killed before that, the next writer renames
   it, and until then readers find it by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clr_search import images
from clr_search.contract.model_file import read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.stores.address import located
from clr_search.images.isolation import DecodingLimits
from clr_search.index import encoder_file
from clr_search.index.ann import generations
from clr_search.index.catalog import staging
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import notes
from clr_search.index.catalog.paths import (
    among_objects,
    below,
    folder_identity,
    is_missing,
    status_of,
)
from clr_search.index.catalog.records import (
    IndexedFile,
    SkippedFile,
    SkippedItem,
    countable,
    time_of,
)
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.roots import refuse_replaced
from clr_search.index.sync.update import checked, content_of, stopped, was_read
from clr_search.progress import Reporter
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, Skipped, embed_files


class Rebuild:
    """One run that embeds every picture of a collection with another encoder.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    encoder : Path
        The model file of the new encoder.
    reporter : Reporter
        The reporter that shows the progress.
    device : str
        The device to embed on, as `serve.Encoder` takes it, such as ``"cpu"``.
    share_encoder : bool
        Whether to share the file of the new encoder, in place of a copy; see `encoder_file.put`.
    """

    def __init__(
        self,
        catalog: Catalog,
        encoder: Path,
        reporter: Reporter,
        device: str,
        *,
        share_encoder: bool = False,
    ) -> None:
        self._catalog = catalog
        self._source = encoder
        self._reporter = reporter
        self._device = device
        self._share_encoder = share_encoder

    def run(
        self, *, batch_size: int, workers: int | None, isolation: DecodingLimits | None
    ) -> UpdateReport:
        """Rebuild the collection, or go on with a rebuild that was cut short.

        Parameters
        ----------
        batch_size : int
            Pictures that are embedded, and committed, at a time.
        workers : int or None
            Threads that decode; None lets the pipeline choose.
        isolation : DecodingLimits or None
            Limits of the worker processes that decode; None to decode in this process.

        Returns
        -------
        UpdateReport
            The numbers of pictures that were embedded again (`changed`) and left (`removed`).

        Raises
        ------
        UsageError
            If the file is no encoder, or a folder of the collection is not there, or goes away.
        ClrSearchError
            If a picture that is not gone could not be read.
        KeyboardInterrupt
            If the user stops it; the batches that are done stay staged.
        """
        before = self._require_roots()
        encoder = self._bring_encoder()
        known, waiting = self._waiting()
        if waiting:
            self._stage(encoder, known, waiting, batch_size, workers, isolation)
        report = self._swap(encoder, known, before)
        encoder_file.finish_change(self._catalog.folder, encoder.sha256)
        generations.clean(self._catalog.folder, None)
        try:
            self._catalog.database.compact()
        except ClrSearchError as error:  # most likely the disk is full; the rebuild is done
            self._reporter.message(f"Unused space stays in the catalogue: {error}")
        return report

    def _require_roots(self) -> dict[str, tuple[int, int] | None]:
        """Returns the identity of each root; refuses one without any pictures (disk unmounted)."""
        with self._catalog.reading():
            known = self._catalog.known()
            roots = [root.path for root in self._catalog.roots()]
        before = {root: folder_identity(root) for root in roots}
        for root in roots:
            pictures = [path for path in known if below(path, root)]
            if pictures and all(map(is_missing, pictures)):
                raise UsageError(
                    f"None of the {len(pictures):,} pictures of {root} is there to be embedded "
                    "again: is its disk mounted?",
                    f"If they are gone for good: clr-search remove {self._catalog.folder} {root}",
                )
        return before

    def _bring_encoder(self) -> Encoder:
        """Copies the new encoder into the collection and loads it; keeps what it has staged."""
        model = read_model(self._source)
        with self._catalog.reading():
            going_on = self._catalog.facts().rebuild_sha256 == model.sha256
        if not going_on:
            with self._catalog.writing():
                staging.begin(self._catalog, model.sha256)
        file = self._catalog.folder / encoder_file.NEXT_NAME
        encoder_file.put(file, model, share=self._share_encoder)
        return Encoder(model, device=self._device)

    def _waiting(self) -> tuple[dict[str, IndexedFile], list[str]]:
        """Returns the items by path, and the paths whose new embedding is not staged yet."""
        with self._catalog.reading():
            known = self._catalog.known()
            staged = staging.staged(self._catalog)
        waiting = []
        statuses = among_objects(status_of, list(known))
        for (path, item), status in zip(known.items(), statuses, strict=True):
            current = None if status is None else (status.st_size, time_of(status))
            if current is None or staged.get(item.id) != current:
                waiting.append(path)
        return known, waiting

    def _stage(
        self,
        encoder: Encoder,
        known: dict[str, IndexedFile],
        waiting: Sequence[str],
        batch_size: int,
        workers: int | None,
        isolation: DecodingLimits | None,
    ) -> None:
        """Embeds the waiting files and stages the results, one transaction a batch."""
        done = 0
        with self._reporter.task("Embedding again", len(known), "images"):
            self._reporter.advance(len(known) - len(waiting))
            try:
                files = map(located, waiting)
                for batch in embed_files(
                    encoder, files, batch_size=batch_size, workers=workers, isolation=isolation
                ):
                    with self._catalog.writing():
                        for result in map(checked, batch):
                            self._keep(known[str(result.path)].id, result)
                    done += len(batch)
                    self._reporter.advance(len(batch))
            except KeyboardInterrupt:
                self._reporter.message(
                    f"Stopped: {done:,} of {len(waiting):,} images are done and kept; the same "
                    "command goes on from there. Until then the collection stays as it was."
                )
                raise
            except ClrSearchError as error:
                more = ", and the collection stays as it was"
                raise stopped(error, done, len(waiting), more) from error

    def _keep(self, number: int, result: Embedded | Skipped) -> None:
        """Stages one result: a new embedding, or the reason why there is none."""
        if isinstance(result, Embedded):
            content = content_of(result)
            staging.keep(self._catalog, number, content)
            notes.keep(self._catalog, [(content.sha256, result.notes)])
        else:
            state = (result.size, countable(result.mtime_ns))
            staging.keep_unusable(self._catalog, number, state, result.reason)

    def _swap(
        self,
        encoder: Encoder,
        known: dict[str, IndexedFile],
        before: dict[str, tuple[int, int] | None],
    ) -> UpdateReport:
        """Replaces the old embeddings by the staged ones, in one transaction."""
        catalog = self._catalog
        with catalog.writing() as revision:
            broken = self._broken({item.id: path for path, item in known.items()})
            for _, entry in broken:
                if not is_missing(entry.path):
                    catalog.skip(entry)
            refuse_replaced(before)  # last, so that a disk that went away is seen
            catalog.delete(number for number, _ in broken)
            staging.take_over(catalog, revision)
            catalog.pin_encoder(encoder.sha256, encoder.card.name, encoder.dimension)
            catalog.set_decoding(images.DECODING)
            catalog.set_generation(None)
            noted = notes.noted(catalog)  # also of what an earlier, interrupted run has embedded
        skipped = tuple(SkippedItem(located(e.path), e.reason) for _, e in broken)
        return UpdateReport(
            changed=len(known) - len(broken),
            removed=len(broken),
            skipped=skipped,
            noted=tuple(noted),
        )

    def _broken(self, paths: dict[int, str]) -> list[tuple[int, SkippedFile]]:
        """Returns the items that leave: their bytes are bad, or their files are certainly gone.

        Raises
        ------
        ClrSearchError
            If another file could not be read: its old vector cannot stay among new ones.
        """
        broken = [
            (number, SkippedFile(paths[number], *state, reason))
            for number, state, reason in staging.unusable(self._catalog)
        ]
        failed = [e for _, e in broken if not was_read(e) and not is_missing(e.path)]
        if failed:
            pictures = "1 picture" if len(failed) == 1 else f"{len(failed):,} pictures"
            raise ClrSearchError(
                f"{pictures} could not be read, such as {failed[0].path}: {failed[0].reason}. The "
                "collection stays as it was.",
                "Run the same command again, which tries only these; or take out what cannot be "
                f"read any more: clr-search remove {self._catalog.folder} {failed[0].path}",
            )
        return broken
