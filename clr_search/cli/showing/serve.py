"""``serve``: serve a collection to other programs over HTTP."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options
from clr_search.errors import require

if TYPE_CHECKING:
    from clr_search.web.access_log import Format


@options.command("serve")
@options.collection_argument()
@click.option("--probe", metavar="ONNX", type=options.PATH, help="A probe.onnx; adds /v1/classify.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=options.WholeNumber(0, 65535),
    default=8000,
    show_default=True,
    help="Port; 0 for any that is free.",
)
@click.option(
    "--keys",
    "keys_file",
    metavar="FILE",
    type=options.PATH,
    help="Keys of which a request needs one, a line each, KEY or NAME: KEY; read anew on SIGHUP. "
    "Also from CLR_SEARCH_API_KEYS.",
)
@click.option("--no-key", is_flag=True, help="Answer everybody who reaches --host, without a key.")
@options.hosting_options()
@click.option(
    "--allow-origin",
    "allow_origins",
    metavar="ORIGIN",
    multiple=True,
    help="Origin of pages that may use it (CORS), as in https://shop.example; may be given "
    "repeatedly.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Log each request and failure, as text or as JSON, to stderr or to --log-file.",
)
@click.option(
    "--log-file",
    metavar="FILE",
    type=options.PATH,
    help="File to append the log to; as text unless --log-format says otherwise.",
)
@click.option(
    "--max-megabytes",
    type=options.COUNT,
    default=64,
    show_default=True,
    help="Largest body of a request.",
)
@click.option(
    "--max-pixels",
    type=options.COUNT,
    default=100_000_000,
    show_default=True,
    help="Most pixels of a picture in a request.",
)
@click.option(
    "--max-images",
    type=options.COUNT,
    default=64,
    show_default=True,
    help="Pictures a request, as far as --max-pending allows.",
)
@click.option(
    "--max-pending",
    type=options.COUNT,
    default=512,
    show_default=True,
    help="Pictures that may wait; beyond, requests are refused with 503.",
)
@click.option(
    "--batch-wait",
    metavar="MS",
    type=options.WholeNumber(0, 1000),
    default=0,
    show_default=True,
    help="Milliseconds an inference waits for more pictures.",
)
@options.decoding_options()
@options.device_option()
def serve(
    collection: Path,
    probe: Path | None,
    host: str,
    port: int,
    keys_file: Path | None,
    no_key: bool,
    allow_hosts: tuple[str, ...],
    root_path: str,
    allow_origins: tuple[str, ...],
    log_format: Format | None,
    log_file: Path | None,
    max_megabytes: int,
    max_pixels: int,
    max_images: int,
    max_pending: int,
    batch_wait: int,
    decode_memory: float,
    decode_seconds: float,
    device: str,
) -> None:
    """Serve a collection to other programs over HTTP.

    POST /v1/embed, /v1/search and /v1/classify, and /v1/embeddings for clients of OpenAI's API; GET
    /v1/items/ID, /v1/items/ID/thumbnail, /v1/model, /healthz, /readyz, /metrics; they are described
    at /docs and in /openapi.json. HEAD is answered wherever GET is. Pictures of simultaneous
    requests are embedded in one batch. The collection may change while it is served: each request
    sees its newest state. When stopped, the service finishes the requests in progress.

    \b
    Example:
      clr-search serve photos.clr
      clr-search serve photos.clr --probe probe.onnx --port 9000
      clr-search serve photos.clr --host 0.0.0.0 --keys keys.txt
      clr-search serve photos.clr --allow-host photos.example.org --root-path /photos
    """
    for module in ("fastapi", "uvicorn"):
        require(module, "serve")
    from clr_search.images.isolation import DecodingLimits
    from clr_search.index import Index
    from clr_search.progress import Lines
    from clr_search.serve import Probe
    from clr_search.server.routes import Service
    from clr_search.server.server import require_key, reread_on_hangup, run
    from clr_search.server.settings import CurrentKeys, Limits, read_keys
    from clr_search.web.access_log import Logged, logging_to

    read = partial(read_keys, keys_file, os.environ)
    keys = CurrentKeys(read())
    require_key(host, keys=bool(keys.keys), open_to_all=no_key)
    limits = replace(
        Limits(),
        body_bytes=max_megabytes * 2**20,
        pixels=max_pixels,
        images=max_images,
        pending_images=max_pending,
        batch_wait=batch_wait / 1000,
        decoding=DecodingLimits(decode_memory, decode_seconds),
    )
    logged = bool(log_format or log_file)
    reporter = Logged() if log_format == "json" and log_file is None else Lines()
    with ExitStack() as stack:
        if logged:
            stack.enter_context(logging_to(log_format or "text", log_file))
        stack.enter_context(reread_on_hangup(keys, read, reporter))
        index = stack.enter_context(Index.open(collection, device=device, reporter=reporter))
        classifier = Probe(probe, device=device) if probe else None
        service = Service(
            index, classifier, keys.keys, limits, host, allow_hosts, allow_origins, root_path
        )
        run(service, port, reporter, collection, keys=keys, open_to_all=no_key, logged=logged)
