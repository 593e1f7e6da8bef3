"""``duplicates``: copies of pictures in a collection."""

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

    Re-encoded, resized, slightly cropped or rotated and watermarked copies are found by their
    vectors, and compared as they lie. How alike is alike enough is chosen by making such copies of
    some of the collection's own pictures. In each group, every picture is that much like every
    other. The one proposed to be kept has the most pixels, then the most bytes. Nothing is ever
    deleted.

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
        found = find_duplicates(
            index, exact=exact, threshold=threshold, under=under, reporter=for_terminal()
        )
    if html is not None:
        write_atomically(html, _page(collection, found))
        click.echo(f"Page: {output.shown(html)}", err=True)
    if as_json:
        output.echo_json(_summary(collection, found))
    else:
        _print(collection, found)


def _summary(collection: Path, found: Duplicates) -> dict[str, Any]:
    chosen = found.calibration
    return {
        "collection": collection,
        "pictures": found.pictures,
        "threshold": found.threshold,
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
            for group in found.groups
        ],
    }


def _print(collection: Path, found: Duplicates) -> None:
    output.echo_heading(f"{output.shown(collection)}: {_counted(found)}")
    if found.calibration is not None:
        click.echo(f"  {_expected(found.calibration)}", err=True)
    columns = [
        output.Column(style="green"),
        output.Column(right=True, style="cyan"),
        output.Column(right=True),
        output.Column(right=True, style="dim"),
        output.Column(),
    ]
    for number, group in enumerate(found.groups, start=1):
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


def _counted(found: Duplicates) -> str:
    if not found.groups:
        return f"no copies among {output.count(found.pictures, 'picture')}"
    beside = sum(len(group.copies) - 1 for group in found.groups)
    room = output.size(sum(group.bytes_beside for group in found.groups))
    return (
        f"{output.count(len(found.groups), 'group')} of copies; {beside:,} of {found.pictures:,} "
        f"pictures could go, {room}"
    )


def _expected(chosen: Calibration) -> str:
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in chosen.found.items())
    return (
        f"Threshold {chosen.cosine:.4f}. Of copies made of "
        f"{output.count(chosen.pictures, 'picture')}, it finds: {shares}."
    )


def _title(group: Group) -> str:
    files = output.count(len(group.copies), "file")
    return f"{files}, the same" if group.exact else f"{files}, at least {group.lowest:.4f} alike"


def _likeness(copy: Copy) -> str:
    return "same" if copy.exact else f"{copy.score:.4f}"


def _page(collection: Path, found: Duplicates) -> str:
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
        for number, group in enumerate(found.groups, start=1)
    ]
    lead = f"{_counted(found)}. "
    lead += "" if found.calibration is None else _expected(found.calibration)
    return gallery(f"Copies in {collection.name}", lead.strip(), sections)
