"""``label``: keep the labels of a CSV file in a collection."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output, tables
from clr_search.errors import UsageError


@options.command("label")
@options.collection_argument()
@click.argument("table", metavar="[CSV]", required=False, type=options.EXISTING_FILE)
@click.option("--by-folder", is_flag=True, help="Take the names of the folders as labels again.")
@options.json_option()
def label(collection: Path, table: Path | None, by_folder: bool, as_json: bool) -> None:
    """Label the pictures of a collection by a CSV file.

    At first, the label of a picture is the name of its folder. The labels of the file take their
    place: search --label, evaluate, probe, classify --knn and the app use them from then on, and
    pictures that the file does not name have none. They are kept where files move or change.

    The file names the columns path and label, or file, image, class and the like. A path may be
    absolute, relative to the file, the end of a path, or a bare name; of Windows, too. Rows that
    name no picture of the collection, or more than one, are listed. --labels of probe and evaluate
    reads the same files without keeping them.

    \b
    Example:
      clr-search label photos.clr labels.csv
      clr-search label photos.clr --by-folder
    """
    from clr_search.index import Index
    from clr_search.progress import Lines

    if (table is None) != by_folder:
        raise UsageError("Give a CSV file, or --by-folder.")
    with Index.open(collection, writable=True, reporter=Lines()) as index:
        held = index.embeddings()
        found = tables.given(table, held.paths, "the collection") if table is not None else None
        if found is None:
            index.label(None)
        else:
            pairs = zip(held.ids.tolist(), found.labels, strict=True)
            index.label({number: name for number, name in pairs if name})
        names = index.labels()
    labelled = [name for name in names if name]
    if as_json:
        output.echo_json(
            {
                "collection": collection,
                "images": len(names),
                "labelled": len(labelled),
                "classes": sorted(set(labelled)),
                "unmatched": found.unmatched if found is not None else [],
            }
        )
        return
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(len(set(labelled)), 'class', 'classes')}, "
        f"{len(labelled):,} of {output.count(len(names), 'picture')} labelled"
    )
