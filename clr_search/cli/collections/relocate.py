"""``relocate``: tell a collection that a folder has moved."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.cli.path_lists import Place


@options.command("relocate")
@options.collection_argument()
@click.argument("old", type=Place(path_type=Path))
@click.argument("new", type=Place(exists=True, readable=False, path_type=Path))
@options.json_option()
def relocate(collection: Path, old: Path, new: Path, as_json: bool) -> None:
    """Tell a collection that a folder of pictures has moved.

    OLD is the folder as the collection knows it, NEW where it is now, with the same folders and
    names inside. Nothing is embedded again, and no picture is read. build-index NEW recognises
    moved pictures as well, by their content, for which it reads them. A collection that is moved
    together with its pictures finds them by itself.

    \b
    Example:
      clr-search relocate photos.clr /media/card /photos/2024
      clr-search relocate products.clr s3://old/products s3://new/products
    """
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    with Index.open(collection, writable=True, reporter=for_terminal()) as index:
        moved = index.relocate(old, new)
    if as_json:
        output.echo_json({"collection": collection, "moved": moved})
    else:
        name = output.shown(collection)
        click.echo(f"{output.count(moved, 'image')} of {name} moved to {output.shown(new)}.")
