"""``repair``: save the readable items of a damaged collection."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError


@options.command("repair")
@options.collection_argument()
@options.json_option()
def repair(collection: Path, as_json: bool) -> None:
    """Check a collection, and save what can be read of it.

    The whole catalogue is read. If it is damaged, its intact items are copied into a new catalogue,
    and the damaged one is kept beside it as catalog.damaged.sqlite. The next build-index embeds the
    lost items again. Damaged FAISS files need no command: they are rebuilt automatically.

    \b
    Example:
      clr-search repair photos.clr
      clr-search repair photos.clr --json | jq .lost
    """
    from clr_search.files.own import OwnFolder
    from clr_search.index import Index
    from clr_search.index.contents import is_collection
    from clr_search.index.repair import repair as salvage
    from clr_search.progress import Lines

    if not collection.is_dir() or not is_collection(folder := OwnFolder(collection)):
        raise UsageError(f"{collection} is not a collection.", "Give one, such as photos.clr.")
    result = salvage(folder)
    with Index.open(collection, writable=True, reporter=Lines()) as index:
        index.settle(reporter=Lines())
    if as_json:
        facts = {"collection": collection, "whole": result.whole, "images": result.kept}
        output.echo_json(facts | {"lost": result.lost, "damaged": result.damaged})
        return
    images = output.count(result.kept, "image")
    if result.whole:
        click.echo(f"{output.shown(collection)}: {images}, nothing damaged.")
        return
    lost = "some may be" if result.lost is None else f"{result.lost:,}"
    output.echo_heading(f"{output.shown(collection)}: {images} saved, {lost} lost")
    assert result.damaged is not None
    output.echo_facts(
        [
            ("kept", output.shown(result.damaged)),
            ("next", f"clr-search build-index IMAGES --index {output.shown(collection)}"),
        ]
    )
