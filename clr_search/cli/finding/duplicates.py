"""``duplicates``: find copies of pictures in a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output

if TYPE_CHECKING:
    from clr_search.analysis.copy_thresholds import Calibration
    from clr_search.analysis.duplicates import Copy, Duplicates, Group


@options.command("duplicates")
@options.collection_argument()
@click.option("--exact", is_flag=True, help="Only files of the same content.")
@click.option(
    "--threshold",
    type=options.POSITIVE,
    help="Least cosine of copies, which then decides alone.  [default: from the collection]",
)
@click.option("--under", metavar="FOLDER", help="Only pictures below this folder.")
@options.json_option()
@click.option(
    "--html", metavar="PAGE", type=options.PATH, help="Write a page with thumbnails of all groups."
)
@options.force_option("the page")
@options.pixels_option()
def duplicates(
    collection: Path,
    exact: bool,
    threshold: float | None,
    under: str | None,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Find copies: the same file, or nearly the same picture.

    Copies that were re-encoded, resized, slightly cropped or rotated, or watermarked are found by
    their vectors, and then compared by their pixels. The threshold is chosen by making such copies
    of some pictures of the collection. In a group, the similarity of every two pictures reaches the
    threshold. The command proposes to keep the picture with the most pixels, or of equal ones, the
    most bytes. Nothing is ever deleted.

    \b
    Example:
      clr-search duplicates photos.clr --html copies.html
      clr-search duplicates photos.clr --exact
      clr-search duplicates photos.clr --json | jq -r '.groups[].copies[1:][].path'
    """
    from clr_search.analysis.duplicates import find_duplicates
    from clr_search.files.write import refuse_existing, write_atomically
    from clr_search.index import Index
    from clr_search.progress import Lines, for_terminal

    if exact and threshold is not None:
        raise click.UsageError("Give either --exact or --threshold.")
    if html is not None:
        refuse_existing(html, force=force)
    with Index.open(collection, reporter=Lines()) as index:
        result = find_duplicates(
            index, exact=exact, threshold=threshold, under=under, reporter=for_terminal()
        )
    if html is not None:
        write_atomically(html, _page(collection, result))
        click.echo(f"Page: {output.shown(html)}", err=True)
    if as_json:
        output.echo_json(_summary(collection, result))
    else:
        _print(collection, result)


def _summary(collection: Path, duplicates: Duplicates) -> dict[str, Any]:
    """Return the groups of copies for JSON."""
    chosen = duplicates.calibration
    return {
        "collection": collection,
        "pictures": duplicates.pictures,
        "threshold": duplicates.threshold,
        "expected": None if chosen is None else dict(chosen.found),
        "groups": [
            {
                "exact": group.exact,
                "lowest": round(group.lowest, 6),
                "bytes_beside": group.bytes_beside,
                "copies": [
                    {
                        "id": copy.item.id,
                        "path": copy.item.path,
                        "keep": copy.keep,
                        "exact": copy.exact,
                        "score": round(copy.score, 6),
                        "width": copy.item.width,
                        "height": copy.item.height,
                        "bytes": copy.item.size,
                    }
                    for copy in group.copies
                ],
            }
            for group in duplicates.groups
        ],
    }


def _print(collection: Path, duplicates: Duplicates) -> None:
    """Print a table for each group of copies."""
    output.echo_heading(f"{output.shown(collection)}: {_counted(duplicates)}")
    if duplicates.calibration is not None:
        click.echo(f"  {_expected(duplicates.calibration)}", err=True)
    columns = [
        output.Column(style="green"),
        output.Column(right=True, style="cyan"),
        output.Column(right=True),
        output.Column(right=True, style="dim"),
        output.Column(),
    ]
    for number, group in enumerate(duplicates.groups, start=1):
        click.echo()
        click.echo(f"{number}. {_title(group)}")
        rows = [
            [
                "keep" if copy.keep else "",
                "" if copy.keep else _likeness(copy),
                f"{copy.item.width}×{copy.item.height}",
                output.size(copy.item.size),
                output.shown(copy.item.path),
            ]
            for copy in group.copies
        ]
        output.echo_table(columns, rows, indent=2)


def _counted(duplicates: Duplicates) -> str:
    """Return how many groups there are, and what deleting their copies would save."""
    if not duplicates.groups:
        return f"no copies among {output.count(duplicates.pictures, 'picture')}"
    beside = sum(len(group.copies) - 1 for group in duplicates.groups)
    room = output.size(sum(group.bytes_beside for group in duplicates.groups))
    return (
        f"{output.count(len(duplicates.groups), 'group')} of copies; {beside:,} of "
        f"{duplicates.pictures:,} pictures could go, {room}"
    )


def _expected(chosen: Calibration) -> str:
    """Return the threshold, and the shares of artificial copies that it finds."""
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in chosen.found.items())
    return (
        f"Threshold {chosen.cosine:.4f}. Of copies made of "
        f"{output.count(chosen.pictures, 'picture')}, it finds: {shares}."
    )


def _title(group: Group) -> str:
    """Return the size of a group, and how similar its pictures are at least."""
    files = output.count(len(group.copies), "file")
    return f"{files}, the same" if group.exact else f"{files}, at least {group.lowest:.4f} alike"


def _likeness(copy: Copy) -> str:
    """Return the score of a copy; "same" for a file with the same content."""
    return "same" if copy.exact else f"{copy.score:.4f}"


def _page(collection: Path, duplicates: Duplicates) -> str:
    """Return the HTML page with the pictures of all groups."""
    from clr_search.pictures.gallery import Section, Shown, gallery

    sections = [
        Section(
            f"{number}",
            _title(group),
            [
                Shown(
                    copy.item.path,
                    str(copy.item.path),
                    f"{copy.item.width} × {copy.item.height}, {output.size(copy.item.size)}"
                    + ("" if copy.keep else f", {_likeness(copy)}"),
                    "keep" if copy.keep else "",
                )
                for copy in group.copies
            ],
        )
        for number, group in enumerate(duplicates.groups, start=1)
    ]
    lead = f"{_counted(duplicates)}. "
    lead += "" if duplicates.calibration is None else _expected(duplicates.calibration)
    return gallery(f"Copies in {collection.name}", lead.strip(), sections)
