"""``copy``: copy a collection to another place, a folder or Milvus."""

from __future__ import annotations

import time
from pathlib import Path

import click

from clr_search.cli import options, output


@options.command("copy")
@click.argument("source", type=options.PATH)
@click.argument("target", type=options.PATH)
@options.json_option()
def copy(source: Path, target: Path, as_json: bool) -> None:
    """Copy a collection to another folder, or to Milvus.

    It works from Milvus, too. Nothing is embedded: vectors are copied bit for bit, with labels,
    columns, skipped files and what was dismissed as copies. The target is new. After an
    interruption, the same command goes on where it stopped. Pictures get ids of the target.
    Labels and columns that a finished copy was given are never overwritten.

    \b
    Example:
      clr-search copy photos.clr milvus://localhost/photos
      clr-search copy milvus://localhost/photos back.clr
      clr-search copy photos.clr milvus+file:all.db/photos
    """
    from clr_search.analysis.exchange.copying import copy_collection
    from clr_search.progress import for_terminal

    began = time.monotonic()
    report = copy_collection(source, target, reporter=for_terminal())
    if as_json:
        facts = {"source": source, "target": target, "copied": report.added + report.changed}
        output.echo_json(facts | {"unchanged": report.unchanged})
        return
    images = output.count(report.added + report.changed, "image")
    there = f"; {report.unchanged:,} were there already" if report.unchanged else ""
    seconds = output.duration(time.monotonic() - began)
    click.echo(f"Copied {images} to {output.shown(target)} in {seconds}{there}.")
