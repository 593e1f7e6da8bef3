"""``map``: draw a collection in the plane, with similar pictures side by side."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options, output

_PAGES = {".html", ".htm"}  # Suffixes of a page; the others are those of image files.


def _known(ctx: click.Context, parameter: click.Parameter, value: Path) -> Path | None:
    """Refuse, as a callback, a file whose suffix is of neither a page nor a known image format."""
    if value.suffix.lower() in _PAGES:
        return value
    return options.picture_output(ctx, parameter, value)


@options.command("map")
@options.collection_argument()
@click.option(
    "--out",
    metavar="FILE",
    type=options.PATH,
    required=True,
    callback=_known,
    help="The page (.html) or picture (.png, .jpg, .webp) to write.",
)
@click.option("--under", metavar="FOLDER", help="Only pictures below this folder.")
@click.option(
    "--most",
    type=options.COUNT,
    default=10_000,
    show_default=True,
    help="Pictures to show; of more, an even sample.",
)
@click.option(
    "--seed", type=options.DRAWN_SEED, default=0, show_default=True, help="Seed of the layout."
)
@click.option("--open", "show", is_flag=True, help="Open the file when it is written.")
@options.force_option("the file")
@options.pixels_option()
def map_(
    collection: Path,
    out: Path,
    under: str | None,
    most: int,
    seed: int,
    show: bool,
    force: bool,
) -> None:
    """Draw a map of a collection: similar pictures side by side.

    The page needs no other file: drag to move, scroll to zoom, point at a picture to see it, type
    to find by name. Frames have the colours of folders.

    \b
    Example:
      clr-search map photos.clr --out map.html --open
      clr-search map photos.clr --out map.png --under 2024
    """
    from clr_search.analysis.layout import lay_out
    from clr_search.files.write import atomic_path, refuse_existing, write_atomically
    from clr_search.index import Index
    from clr_search.pictures import overview
    from clr_search.progress import Lines

    html = out.suffix.lower() in _PAGES
    refuse_existing(out, force=force)
    with Index.open(collection, reporter=Lines()) as index, index.snapshot():
        output.status("Laying the pictures out …")
        layout = lay_out(index, under=under, most=most, seed=seed)
        items = index.items(layout.ids.tolist())
    spots = [
        overview.Spot(item.path, float(x), float(y), item.label)
        for item, (x, y) in zip(items, layout.places, strict=True)
    ]
    output.status("Drawing …")
    tiles = overview.thumbnails(spots)
    if html:
        lead = output.count(len(spots), "picture")
        if layout.total > len(spots):
            lead += f" of {layout.total:,}"
        write_atomically(out, overview.page(f"Map of {collection.name}", lead, spots, tiles))
    else:
        with atomic_path(out) as temporary:
            picture = overview.picture(spots, tiles)
            picture.save(temporary, format=output.picture_format(out))
    shown = output.count(len(spots), "picture")
    click.echo(f"{output.shown(out)}: {shown} of {layout.total:,}", err=True)
    if show and click.launch(str(out)) != 0:
        click.echo("No program to show it was found; open it by hand.", err=True)
