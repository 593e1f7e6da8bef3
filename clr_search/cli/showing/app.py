"""``app``: search a collection in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options


@options.command("app")
@options.collection_argument()
@click.option(
    "--probe", metavar="ONNX", type=options.PATH, help="A probe.onnx; adds a Classify tab."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any but the default opens the collection to the network.",
)
@click.option(
    "--port",
    type=options.WholeNumber(1, 65535),
    help="Port.  [default: the first free one from 7860]",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page in the browser.")
@options.decoding_options()
@options.pixels_option()
def app(
    collection: Path,
    probe: Path | None,
    host: str,
    port: int | None,
    no_browser: bool,
    decode_memory: float,
    decode_seconds: float,
) -> None:
    """Search a collection in the browser.

    Upload, paste or photograph a picture and see its neighbours; click one to search from it. The
    app runs on this machine until Ctrl-C, and connects to no other machine.

    \b
    Example:
      clr-search app photos.clr
      clr-search app photos.clr --probe probe.onnx --port 8000 --no-browser
    """
    from clr_search.app.main import launch
    from clr_search.images.isolation import DecodingLimits

    launch(
        collection,
        probe=probe,
        host=host,
        port=port,
        open_browser=not no_browser,
        decoding=DecodingLimits(decode_memory, decode_seconds),
    )
