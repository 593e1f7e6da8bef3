"""Embedding again the pictures whose stored vectors have changed on disk.

A checksum tells that a vector is damaged, not what it was. So the picture is embedded again, and
keeps its id. An item whose file is gone, or is no picture any more, leaves the collection: what is
stored of it could only be searched wrongly. So do all damaged ones where there is no encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clr_search.files.own import OwnFolder
from clr_search.index import contents, encoder_file
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import notes
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.records import Item, SkippedItem
from clr_search.index.catalog.sqlite.migrations import migrate
from clr_search.index.sync.update import checked, content_of
from clr_search.progress import Reporter
from clr_search.serve.devices import AUTO
from clr_search.serve.pipeline import Embedded, Skipped, embed_files


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of the items whose stored vectors were damaged.

    Attributes
    ----------
    embedded : tuple of Path
        The pictures that were embedded again.
    lost : tuple of SkippedItem
        The items that left the collection, each with the reason why it could not be embedded.
    """

    embedded: tuple[Path, ...] = ()
    lost: tuple[SkippedItem, ...] = ()


def mend(folder: OwnFolder | Path, reporter: Reporter, *, device: str = AUTO) -> Mended:
    """Holds every stored vector against its checksum, and replaces those that are damaged.

    A catalogue of a former release, which has no checksums, gets them; of its vectors only those
    that can be none are found.

    Parameters
    ----------
    folder : OwnFolder or Path
        The collection, whose catalogue SQLite can read: `repair.repair` comes first.
    reporter : Reporter
        Gets a message for each migration, and shows the progress.
    device : str
        The device that embeds pictures; see `serve.Encoder`.

    Raises
    ------
    UsageError
        If another process writes to the collection.
    ClrSearchError
        If the encoder of the collection is missing, or its disk is full or fails.
    """
    folder = OwnFolder.at(folder)
    lock = WriterLock(folder / contents.LOCK)
    try:
        catalog = Catalog(folder, writable=True)
        try:
            with catalog.reading():
                facts = catalog.facts()  # raises an error for a half-made collection
            migrate(catalog.database, reporter)
            with catalog.reading():
                damaged = catalog.items(embeddings.damaged(catalog, facts.dimension))
            if not damaged:
                return Mended()
            if not facts.encoder_sha256:
                return _drop(catalog, damaged)
            encoder_file.finish_change(folder, facts.encoder_sha256)
            return _embed(catalog, facts.encoder_sha256, damaged, reporter, device)
        finally:
            catalog.database.close()
    finally:
        lock.release()


def _drop(catalog: Catalog, damaged: dict[int, Item]) -> Mended:
    """Deletes damaged items of a collection without an encoder, which could make none anew."""
    with catalog.writing():
        catalog.delete(damaged)
    why = "its vector was made elsewhere, and changed on disk; add it once more"
    return Mended(lost=tuple(SkippedItem(item.path, why) for item in damaged.values()))


def _embed(
    catalog: Catalog, sha256: str, damaged: dict[int, Item], reporter: Reporter, device: str
) -> Mended:
    """Embeds the files of damaged items, one transaction a batch."""
    encoder = encoder_file.load(catalog.folder, sha256, device, catalog.remote)
    numbers = {item.path: number for number, item in damaged.items()}
    again: list[Path] = []
    lost: list[SkippedItem] = []
    with reporter.task("Embedding again", len(numbers), "images"):
        for batch in embed_files(encoder, numbers):
            results = [checked(result) for result in batch]
            with catalog.writing() as revision:
                for result in results:
                    _keep(catalog, numbers[result.path], result, revision)
            again += [result.path for result in results if isinstance(result, Embedded)]
            lost += [SkippedItem(r.path, r.reason) for r in results if isinstance(r, Skipped)]
            reporter.advance(len(batch))
    return Mended(tuple(again), tuple(lost))


def _keep(catalog: Catalog, number: int, result: Embedded | Skipped, revision: int) -> None:
    """Gives an item its new vector, or deletes it where there is none."""
    if isinstance(result, Embedded):
        content = content_of(result)
        catalog.replace(number, content, revision)
        notes.keep(catalog, [(content.sha256, result.notes)])
    else:
        catalog.delete([number])
