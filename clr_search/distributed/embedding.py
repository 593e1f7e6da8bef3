"""From images to a folder of Parquet files, and from there to a collection."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.distributed.shards import Shards
from clr_search.errors import ClrSearchError
from clr_search.files.finding.find import find_images
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import DEFAULT, Selection
from clr_search.files.stores.address import ObjectPath, located
from clr_search.index import Index, IndexInfo, SkippedItem, UpdateReport
from clr_search.index.catalog.paths import absolute, canonical
from clr_search.index.sync.update import checked, stopped
from clr_search.progress import Reporter, Silent
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embed, Embedded, Skipped


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What `embed_into` has done.

    Attributes
    ----------
    embedded : int
        Files that were embedded, new ones and changed ones.
    unchanged : int
        Files that were there already, as they are now.
    skipped : tuple of SkippedItem
        Files that could not be embedded now, and folders that cannot be listed, with the reasons.
    """

    embedded: int
    unchanged: int
    skipped: tuple[SkippedItem, ...]


def embed_into(
    folder: Path,
    images: Sequence[Path | str],
    encoder: Encoder,
    embed: Embed,
    *,
    selection: Selection = DEFAULT,
    reporter: Reporter | None = None,
) -> Embeddings:
    """Embed images into a folder of Parquet files, but for those that it has as they are now.

    Parameters
    ----------
    folder : Path
        The folder, new or made by an earlier call.
    images : sequence of path
        Folders and files, and addresses of object stores.
    encoder : Encoder
        The encoder, which is copied into the folder.
    embed : Embed
        What embeds, such as `RayEngine.embed`.
    selection : Selection
        Which files and folders are taken.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Raises
    ------
    UsageError
        If no image is found, or the folder belongs to another encoder.
    ClrSearchError
        If the engine, or an object store, does not answer; what came before is kept.
    """
    reporter, left_out = reporter or Silent(), LeftOut()
    found = find_images(images, left_out, selection)
    shards = Shards.make(folder, encoder.model, list(_roots(images)))
    known = [(absolute(str(image.root), image.relative), image.status) for image in found]
    waiting = shards.waiting(known)
    skipped = [SkippedItem(located(path), why) for path, why in left_out.skipped()]
    done = 0

    def heard() -> Iterator[list[Embedded | Skipped]]:
        for batch in embed(encoder, waiting):
            results = [checked(result) for result in batch]
            skipped.extend(SkippedItem(r.path, r.reason) for r in results if isinstance(r, Skipped))
            yield results

    with reporter.task("Embedding", len(waiting), "images"):
        try:
            for count in shards.keep(heard()) if waiting else ():
                done += count
                reporter.advance(count, f"{len(skipped)} skipped" if skipped else "")
        except KeyboardInterrupt:
            reporter.message(f"Stopped: {done:,} of {len(waiting):,} images are done and kept.")
            raise
        except ClrSearchError as error:
            raise stopped(error, done, len(waiting)) from error
    now = [item for item in skipped if str(item.path) not in left_out.folders]
    return Embeddings(len(waiting) - len(now), len(known) - len(waiting), tuple(skipped))


def collect(
    folder: Path,
    collection: Path,
    *,
    share_encoder: bool = False,
    reporter: Reporter | None = None,
) -> tuple[UpdateReport, IndexInfo]:
    """Make a collection of a folder of Parquet files, or add what is new in it to one.

    Raises
    ------
    UsageError
        If the folder is none, or the collection has another encoder.
    ClrSearchError
        If a part is damaged.
    """
    reporter = reporter or Silent()
    shards = Shards.opened(folder)
    encoder = shards.model.path
    with Index.create(collection, encoder, share_encoder=share_encoder, reporter=reporter) as index:
        with reporter.task("Adding", shards.count(), "files"):
            report = index.add_embedded(shards.results(), shards.roots, reporter=reporter)
        return report, index.info()


def _roots(images: Sequence[Path | str]) -> Iterator[str]:
    """Yield the folders among what is embedded, and prefixes of stores, as roots are named."""
    for path in map(located, images):
        if isinstance(path, ObjectPath):
            if not path.is_file():
                yield str(path)
        elif os.path.isdir(path):  # noqa: PTH112 -- `Path.is_dir` raises where a name is too long
            yield canonical(path)
