"""``app``: search a collection in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from clr_search.cli import options


@options.command("app")
@click.argument("collection", type=options.PATH, required=False)
@click.option(
    "--run", metavar="RUN", type=options.PATH, help="The folder of a run; adds a Training tab."
)
@click.option("--probe", metavar="ONNX", type=options.PATH, help="A probe.onnx to classify by.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any but the default needs --auth.",
)
@click.option(
    "--port",
    type=options.WholeNumber(1, 65535),
    help="Port.  [default: the first free one from 7860]",
)
@click.option(
    "--auth",
    "auth_file",
    metavar="FILE",
    type=options.PATH,
    help="Logins of which the page asks for one, a line each, as in ada:password.",
)
@click.option("--no-auth", is_flag=True, help="Answer everybody who reaches --host, without login.")
@options.hosting_options()
@click.option("--originals", is_flag=True, help="Let visitors download files of the collection.")
@click.option("--thumbnails-only", is_flag=True, help="Show no picture larger than its thumbnail.")
@click.option(
    "--mcp",
    "tools",
    is_flag=True,
    help="Let agents search and classify, by the Model Context Protocol, at /clr/mcp.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page in the browser.")
@options.decoding_options()
@options.pixels_option()
def app(
    collection: Path | None,
    run: Path | None,
    probe: Path | None,
    host: str,
    port: int | None,
    auth_file: Path | None,
    no_auth: bool,
    allow_hosts: tuple[str, ...],
    root_path: str,
    originals: bool,
    thumbnails_only: bool,
    tools: bool,
    no_browser: bool,
    decode_memory: float,
    decode_seconds: float,
) -> None:
    """Search a collection in the browser.

    Bring a picture by a click, drop, paste or camera, and see what is like it; click any to search
    from it, mark more with + and −, draw a box to search by a part. The app runs on this machine
    until Ctrl-C, and connects to no other machine.

    \b
    Example:
      clr-search app photos.clr
      clr-search app photos.clr --probe probe.onnx --port 8000 --no-browser
      clr-search app --run run
      clr-search app photos.clr --host 0.0.0.0 --auth logins.txt
      clr-search app photos.clr --mcp
      clr-search app photos.clr --allow-host photos.example.org --root-path /photos
    """
    from clr_search.app.access import Access
    from clr_search.app.main import launch
    from clr_search.images.isolation import DecodingLimits
    from clr_search.web.requests.login import read_logins

    if collection is None and (run is None or probe is not None or tools):
        raise click.UsageError("Give a collection, or --run RUN alone.")
    logins = read_logins(auth_file) if auth_file else None
    launch(
        collection,
        probe=probe,
        run=run,
        host=host,
        port=port,
        access=Access(logins, no_auth, allow_hosts, root_path, originals, thumbnails_only, tools),
        open_browser=not no_browser,
        decoding=DecodingLimits(decode_memory, decode_seconds),
    )
