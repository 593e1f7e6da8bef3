"""``demo``: train, export, index and search in one command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from clr_search.cli import options, output
from clr_search.errors import require


@options.command("demo")
@click.argument("images", required=False, type=options.EXISTING)
@click.option(
    "--out",
    metavar="FOLDER",
    type=options.PATH,
    default=Path("clr-demo"),
    show_default=True,
    help="Folder for everything that is made.",
)
@click.option(
    "--seconds",
    type=options.POSITIVE,
    default=60,
    show_default=True,
    help="Time for training.",
)
@click.option(
    "--seed",
    type=options.SEED,
    default=0,
    show_default=True,
    help="Seed of the drawings, the network and the training.",
)
@click.option("--no-app", is_flag=True, help="Do not open the app at the end.")
@options.force_option("an earlier demo in the same folder")
@options.json_option()
@options.pixels_option()
def demo(
    images: Path | None,
    out: Path,
    seconds: float,
    seed: int,
    no_app: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Go the whole way, from a folder of images to the app.

    The steps are: train, export, index, measure, fit a classifier, draw a contact sheet, and open
    the app. Without IMAGES, the demo draws a collection of textile swatches, so that nothing needs
    to be downloaded. The app opens only from a terminal. After an interruption, the same command
    continues where it stopped.

    \b
    Example:
      clr-search demo
      clr-search demo ~/photos --seconds 600 --out photos-demo
    """
    require("torch", "train")
    from clr_search.demo.run import run_demo
    from clr_search.progress import for_terminal

    report = run_demo(images, out, seconds=seconds, seed=seed, force=force, reporter=for_terminal())
    if as_json:
        output.echo_json(report.to_json())
    else:
        click.echo(report.table())
    if not no_app and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        from clr_search.app.main import launch

        launch(report.collection, probe=report.probe)
