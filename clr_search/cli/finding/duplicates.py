"""``duplicates``: find copies of pictures in a collection."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options, output

_IDS = re.compile(r"\d+(,\d+)*(:\d+(,\d+)*)?")

if TYPE_CHECKING:
    from clr_search.analysis.copies import Copy, Duplicates, Group
    from clr_search.analysis.copy_thresholds import Calibration


@options.command("duplicates")
@options.collection_argument()
@click.option("--exact", is_flag=True, help="Only files of the same content.")
@click.option(
    "--threshold",
    type=options.POSITIVE,
    help="Least cosine of what is compared.  [default: from the collection]",
)
@click.option(
    "--keep",
    "rules",
    metavar="RULE",
    multiple=True,
    help="What to keep: newest, oldest, largest, path=GLOB or format=NAME; the first decides.",
)
@click.option(
    "--dismiss",
    metavar="PICTURES",
    multiple=True,
    help="Remember what is no copy, or all to be kept: 12,15 or 12:15,31 (ids), or files.",
)
@click.option("--undismiss", metavar="PICTURES", multiple=True, help="Forget it again.")
@click.option("--dismissed", is_flag=True, help="Show also what was dismissed.")
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
    rules: tuple[str, ...],
    dismiss: tuple[str, ...],
    undismiss: tuple[str, ...],
    dismissed: bool,
    under: str | None,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Find copies: the same file, or nearly the same picture.

    Copies that were re-encoded, resized, slightly cropped or rotated, mirrored, turned or
    watermarked are found by their vectors and looks, and then compared by their pixels, part by
    part. What is gone or cannot be compared is in no group. The command proposes to keep colour
    before grey, the file of a camera before an export, and the larger; --keep gives other rules.
    What may be better in some way than the picture to be kept is kept, too. Nothing is ever
    deleted.

    \b
    Example:
      clr-search duplicates photos.clr --html copies.html
      clr-search duplicates photos.clr --keep "path=*/originals/*" --keep oldest
      clr-search duplicates photos.clr --dismiss 12,15
      clr-search duplicates photos.clr --json > copies.json
    """
    from clr_search.analysis.duplicates import find_duplicates
    from clr_search.analysis.keepers import Keep
    from clr_search.files.write import refuse_existing, write_atomically
    from clr_search.index import Index
    from clr_search.progress import Lines, for_terminal

    if dismiss or undismiss:
        _remember(collection, dismiss, undismiss)
        return
    if exact and threshold is not None:
        raise click.UsageError("Give either --exact or --threshold.")
    if html is not None:
        refuse_existing(html, force=force)
    with Index.open(collection, reporter=Lines()) as index:
        result = find_duplicates(
            index,
            exact=exact,
            threshold=threshold,
            under=under,
            keep=[Keep.parse(rule) for rule in rules],
            dismissed=dismissed,
            reporter=for_terminal(),
        )
    if html is not None:
        page = _page(collection, result)
        now = result.confirmed()  # thumbnails take long, and files may go meanwhile
        if now != result:
            result, page = now, _page(collection, now)
        write_atomically(html, page)
        click.echo(f"Page: {output.shown(html)}", err=True)
    if as_json:
        output.echo_json(_summary(collection, result))
    else:
        _print(collection, result)


def _remember(collection: Path, dismiss: tuple[str, ...], undismiss: tuple[str, ...]) -> None:
    """Remember what is no copy, or forget it."""
    from clr_search.index import Index
    from clr_search.progress import Lines

    with Index.open(collection, writable=True, reporter=Lines()) as index:
        for given, undo in ((dismiss, False), (undismiss, True)):
            files = [text for text in given if not _IDS.fullmatch(text)]
            wanted = [_numbers(text) for text in given if _IDS.fullmatch(text)]
            if files:
                wanted.append(([index.id_at(file) for file in files], []))
            for numbers, against in wanted:
                pairs = index.dismiss(numbers, against, undo=undo)
                said = "Forgotten" if undo else "Remembered"
                click.echo(f"{said}: {output.count(pairs, 'pair')}.", err=True)


def _numbers(text: str) -> tuple[list[int], list[int]]:
    """Return the ids before and after the colon.

    Examples
    --------
    >>> _numbers("12,15"), _numbers("12:15,31")
    (([12, 15], []), ([12], [15, 31]))
    """
    first, _, second = text.partition(":")
    return [int(n) for n in first.split(",")], [int(n) for n in second.split(",") if n]


def _summary(collection: Path, duplicates: Duplicates) -> dict[str, Any]:
    """Return the groups of copies for JSON."""
    chosen = duplicates.calibration
    return {
        "collection": collection,
        "pictures": duplicates.pictures,
        "threshold": duplicates.threshold,
        "expected": None if chosen is None else dict(chosen.found),
        "gone": duplicates.gone,
        "unread": duplicates.unread,
        "unjudged": duplicates.unjudged,
        "dismissed": duplicates.dismissed,
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
                        "why": copy.why,
                        "turn": copy.turn,
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
    for line in _left_out(collection, duplicates):
        click.echo(f"  {line}", err=True)
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
                _likeness(copy) if copy is not group.copies[0] else "",
                f"{copy.item.width}×{copy.item.height}",
                output.size(copy.item.size),
                output.shown(copy.item.path) + _said(copy),
            ]
            for copy in group.copies
        ]
        output.echo_table(columns, rows, indent=2)
        click.echo(f"  not a copy, or keep all: --dismiss {_ids(group)}")


def _counted(duplicates: Duplicates) -> str:
    """Return how many groups there are, and what deleting their copies would save."""
    if not duplicates.groups:
        return f"no copies among {output.count(duplicates.pictures, 'picture')}"
    beside = sum(group.could_go for group in duplicates.groups)
    room = output.size(sum(group.bytes_beside for group in duplicates.groups))
    return (
        f"{output.count(len(duplicates.groups), 'group')} of copies; {beside:,} of "
        f"{duplicates.pictures:,} pictures could go, {room}"
    )


def _left_out(collection: Path, duplicates: Duplicates) -> list[str]:
    """Return what is in no group, and what to do about it."""
    name = output.shown(collection)
    lines = []
    if duplicates.gone:
        lines.append(
            f"{output.count(duplicates.gone, 'picture')} gone or out of reach, and neither kept "
            "nor proposed: bring the files back, or run clr-search build-index FOLDER --index "
            f"{name} with the folder as it is now (or clr-search remove {name} OLD_FOLDER)."
        )
    if duplicates.unread:
        lines.append(
            f"{output.count(duplicates.unread, 'picture')} cannot be read, or not as indexed: run "
            f"clr-search build-index FOLDER --index {name}."
        )
    if duplicates.unjudged:
        lines.append(
            f"{output.count(duplicates.unjudged, 'picture')} blank, dark or even: whether they are "
            "copies cannot be judged here; only files of the same content are listed."
        )
    if duplicates.dismissed:
        lines.append(
            f"{output.count(duplicates.dismissed, 'pair')} dismissed earlier (--dismissed shows "
            "them)."
        )
    return lines


def _expected(chosen: Calibration) -> str:
    """Return where was searched, and the shares of artificial copies that their pixels tell."""
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in chosen.found.items())
    return (
        f"Compared from a cosine of {chosen.cosine:.4f}. Of copies made of "
        f"{output.count(chosen.pictures, 'picture')}, it tells: {shares}."
    )


def _said(copy: Copy) -> str:
    """Return what is to be said of a copy beside its path."""
    if copy.why:
        return f"  (kept, too: {copy.why})"
    return f"  ({copy.turn})" if copy.turn else ""


def _ids(group: Group) -> str:
    """Return the ids of the pictures of a group, as --dismiss takes them."""
    return ",".join(str(copy.item.id) for copy in group.copies)


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
            f"{_title(group)}.",
            [
                Shown(
                    copy.item.path,
                    str(copy.item.path),
                    f"{copy.item.width} × {copy.item.height}, {output.size(copy.item.size)}"
                    + ("" if copy is group.copies[0] else f", {_likeness(copy)}{_said(copy)}")
                    + (
                        ""
                        if len(group.copies) < 3
                        else f". Not a copy: --dismiss {_against(copy, group)}"
                    ),
                    "keep" if copy.keep else "",
                )
                for copy in group.copies
            ],
            f"clr-search duplicates {shlex.quote(str(collection))} --dismiss {_ids(group)}",
            "Not a copy, or keep all:",
        )
        for number, group in enumerate(duplicates.groups, start=1)
    ]
    lead = [f"{_counted(duplicates)}."]
    lead += [] if duplicates.calibration is None else [_expected(duplicates.calibration)]
    lead += _left_out(collection, duplicates)
    if duplicates.groups:
        lead.append(
            "This page cannot change the collection: its buttons copy a command, which remembers "
            "there what you say. In clr-search app, the tab Copies does so itself."
        )
    return gallery(f"Copies in {collection.name}", " ".join(lead), sections)


def _against(copy: Copy, group: Group) -> str:
    """Return one picture of a group against the others, as --dismiss takes it."""
    others = [str(other.item.id) for other in group.copies if other is not copy]
    return f"{copy.item.id}:{','.join(others)}"
