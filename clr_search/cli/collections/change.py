"""``add`` and ``remove``: single files and folders come into a collection, or leave it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.cli.collections.engines import Embedding, embedding_options
from clr_search.cli.collections.updated import echo_update
from clr_search.cli.path_lists import paths_argument


@options.command("add")
@options.collection_argument()
@paths_argument("paths", "PATH...", required=True)
@embedding_options
@click.option(
    "-v", "--verbose", is_flag=True, help="List every file that was skipped, or read with a note."
)
@options.json_option()
@options.pixels_option()
def add(
    collection: Path,
    paths: tuple[Path, ...],
    embedding: Embedding,
    verbose: bool,
    as_json: bool,
) -> None:
    """Add files and folders to a collection.

    It works as build-index does, but keeps the pictures whose files have vanished.

    \b
    Example:
      clr-search add photos.clr holiday/2024 portrait.jpg
    """
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    reporter = for_terminal()
    began = time.monotonic()
    opened = Index.open(collection, writable=True, device=embedding.device, reporter=reporter)
    with opened as index:
        report = index.add(paths, reporter=reporter, **embedding.settings)
        info = index.info()
    echo_update(report, info, time.monotonic() - began, verbose=verbose, as_json=as_json)


@options.command("remove")
@options.collection_argument()
@paths_argument("paths", "PATH...", required=True, exists=False)
@options.json_option()
def remove(collection: Path, paths: tuple[Path, ...], as_json: bool) -> None:
    """Remove files, and all below folders, from a collection.

    The files themselves are not touched. Indexing their folder again brings them back.

    \b
    Example:
      clr-search remove photos.clr photos/private photos/blurred.jpg
    """
    from clr_search.index import Index
    from clr_search.progress import for_terminal

    with Index.open(collection, writable=True, reporter=for_terminal()) as index:
        removed = index.remove(paths, reporter=for_terminal())
        remaining = len(index)
    if as_json:
        output.echo_json({"collection": collection, "removed": removed, "images": remaining})
    else:
        name = output.shown(collection)
        click.echo(f"Removed {output.count(removed, 'image')} from {name}; {remaining:,} left.")
