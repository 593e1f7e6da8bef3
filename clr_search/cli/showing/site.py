"""``export-site``: write a collection as a search page that any web server can host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clr_search.cli import options, output
from clr_search.cli.finding.filtering import filter_options


@options.command("export-site")
@options.collection_argument()
@click.option(
    "--out", metavar="FOLDER", type=options.PATH, required=True, help="The folder to write."
)
@click.option("--title", help="Title of the page.  [default: the name of the collection]")
@filter_options()
@click.option("--most", type=options.COUNT, help="Pictures in it; of more, an even sample.")
@click.option(
    "--thumbnail",
    metavar="PX",
    type=options.WholeNumber(32, 2048),
    default=256,
    show_default=True,
    help="Longer side of the thumbnails.",
)
@click.option(
    "--paths",
    is_flag=True,
    help="Publish paths below the indexed folders, not only names of files.",
)
@click.option(
    "--runtime",
    metavar="FOLDER",
    type=options.PATH,
    help="An npm install of onnxruntime-web to copy; else the page fetches it from a CDN.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Take the name of a folder that is no site, which then stays as SITE.1.",
)
@options.pixels_option()
def export_site(
    collection: Path,
    out: Path,
    title: str | None,
    most: int | None,
    thumbnail: int,
    paths: bool,
    runtime: Path | None,
    force: bool,
    **conditions: Any,
) -> None:
    """Write a page that searches a collection in the browser.

    Any web server can host the folder, since the search runs in the browser. There a visitor's
    picture is embedded, and it is not sent anywhere. Everybody who can open the page can read the
    thumbnails, the names of files, the vectors and the encoder. An older site is replaced.

    \b
    Example:
      clr-search export-site photos.clr --out site
      clr-search export-site photos.clr --out site --label roses --title 'Our roses'
      clr-search export-site photos.clr --out site --runtime examples/node
    """
    from clr_search import site
    from clr_search.index import Filter, Index
    from clr_search.progress import Lines, for_terminal

    chosen = site.Options(
        title=title or collection.resolve().stem,
        where=Filter(**conditions),
        most=most,
        paths=paths,
        thumbnail=thumbnail,
        runtime=runtime,
    )
    with Index.open(collection, reporter=Lines()) as index:
        written = site.export_site(index, out, chosen, force=force, reporter=for_terminal())
    if written.kept is not None:
        click.echo(f"What was in {output.shown(out)} is in {output.shown(written.kept)}.", err=True)
    if written.left_out:
        pictures = output.count(written.left_out, "picture")
        verb = "is" if written.left_out == 1 else "are"
        click.echo(f"{pictures} cannot be read now, and {verb} left out.", err=True)
    click.echo(
        f"{output.shown(out)}: {output.count(written.pictures, 'picture')}, "
        f"{output.size(written.total_bytes)}; a visitor loads {output.size(written.first_bytes)}, "
        "and the thumbnails that are shown.",
        err=True,
    )
    click.echo(f"Try it: python -m http.server --bind 127.0.0.1 -d {output.shown(out)}", err=True)
