"""``repair``: save the readable items of a damaged collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError
from clr_search.index.catalog.milvus.address import place_of

if TYPE_CHECKING:
    from clr_search.index.repair import Salvage
    from clr_search.index.sync.mend import Mended


@options.command("repair")
@options.collection_argument()
@options.json_option()
def repair(collection: Path, as_json: bool) -> None:
    """Check a collection, and save what can be read of it.

    The whole catalogue is read. If it is damaged, its intact items are copied into a new catalogue,
    and the damaged one is kept beside it as catalog.damaged.sqlite. The next build-index embeds the
    lost items again. Damaged FAISS files need no command: they are rebuilt automatically.

    Each stored vector is held against its checksum. Where one has changed on disk, its picture is
    embedded again; if the file is gone, the item leaves the collection and is named.

    \b
    Example:
      clr-search repair photos.clr
      clr-search repair photos.clr --json | jq .lost
    """
    from clr_search.files.own import OwnFolder
    from clr_search.index import Index
    from clr_search.index.contents import is_collection
    from clr_search.index.repair import repair as salvage
    from clr_search.index.sync.mend import mend
    from clr_search.progress import Lines

    if place_of(collection) is not None:
        _refuse_place(collection)
    if not collection.is_dir() or not is_collection(folder := OwnFolder(collection)):
        raise UsageError(f"{collection} is not a collection.", "Give one, such as photos.clr.")
    result = salvage(folder)
    mended = mend(folder, Lines())
    with Index.open(collection, writable=True, reporter=Lines()) as index:
        index.settle(reporter=Lines())
    whole = result.whole and not mended.embedded and not mended.lost
    if as_json:
        facts = {"collection": collection, "whole": whole, "images": result.kept - len(mended.lost)}
        facts |= {"lost": result.lost, "damaged": result.damaged}
        gone = [{"path": item.path, "reason": item.reason} for item in mended.lost]
        output.echo_json(facts | {"embedded_again": mended.embedded, "vectors_lost": gone})
        return
    images = output.count(result.kept - len(mended.lost), "image")
    if whole:
        click.echo(f"{output.shown(collection)}: {images}, nothing damaged.")
    if not result.whole:
        _echo_salvage(collection, result)
    if mended.embedded or mended.lost:
        _echo_mended(collection, mended)


def _refuse_place(collection: Path) -> None:
    """Refuse a collection on Milvus, and say what to do instead."""
    from clr_search.index.catalog.milvus.address import Address
    from clr_search.index.catalog.milvus.places import replica_folder

    replica = replica_folder(Address.read(str(collection))).real
    raise UsageError(
        f"{collection} is on Milvus, which keeps its own copies of what it stores.",
        f"What is on this machine can be deleted, and is read anew: {replica}. What Milvus has "
        "lost comes back from its backup, or with: clr-search build-index.",
    )


def _echo_salvage(collection: Path, result: Salvage) -> None:
    """Prints what could be read of a damaged catalogue."""
    images = output.count(result.kept, "image")
    lost = "some may be" if result.lost is None else f"{result.lost:,}"
    output.echo_heading(f"{output.shown(collection)}: {images} saved, {lost} lost")
    assert result.damaged is not None
    output.echo_facts(
        [
            ("kept", output.shown(result.damaged)),
            ("next", f"clr-search build-index IMAGES --index {output.shown(collection)}"),
        ]
    )


def _echo_mended(collection: Path, mended: Mended) -> None:
    """Prints the pictures whose stored vectors were damaged, all of them by name."""
    again, lost = len(mended.embedded), len(mended.lost)
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(again + lost, 'stored vector')} damaged, "
        f"{output.count(again, 'picture')} embedded again, {lost:,} lost"
    )
    output.echo_facts(
        [("embedded", output.shown(path)) for path in mended.embedded]
        + [("lost", f"{output.shown(item.path)}: {item.reason}") for item in mended.lost]
    )
