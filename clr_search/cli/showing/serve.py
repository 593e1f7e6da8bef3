"""``serve``: serve a collection to other programs over HTTP."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from clr_search.cli import options
from clr_search.errors import require


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
    help="Keys of which a request needs one, a line each; also from CLR_SEARCH_API_KEYS.",
)
@click.option("--no-key", is_flag=True, help="Answer everybody who reaches --host, without a key.")
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

    POST /v1/embed, /v1/search and /v1/classify; GET /v1/items/ID, /v1/items/ID/thumbnail,
    /v1/model, /healthz, /readyz, /metrics, and /openapi.json, which describes them. Pictures of
    simultaneous requests are embedded in one batch. The collection may change while it is served:
    each request sees its newest state. When stopped, the service finishes the requests in progress.

    \b
    Example:
      clr-search serve photos.clr
      clr-search serve photos.clr --probe probe.onnx --port 9000
      clr-search serve photos.clr --host 0.0.0.0 --keys keys.txt
    """
    for module in ("fastapi", "uvicorn"):
        require(module, "serve")
    from clr_search.images.isolation import DecodingLimits
    from clr_search.index import Index
    from clr_search.progress import Lines
    from clr_search.serve import Probe
    from clr_search.server.routes import Service
    from clr_search.server.server import require_key, run
    from clr_search.server.settings import Limits, read_keys

    keys = read_keys(keys_file, os.environ)
    require_key(host, keys=bool(keys), open_to_all=no_key)
    limits = replace(
        Limits(),
        body_bytes=max_megabytes * 2**20,
        pixels=max_pixels,
        images=max_images,
        pending_images=max_pending,
        batch_wait=batch_wait / 1000,
        decoding=DecodingLimits(decode_memory, decode_seconds),
    )
    with Index.open(collection, device=device, reporter=Lines()) as index:
        classifier = Probe(probe, device=device) if probe else None
        service = Service(index, classifier, keys, limits, host)
        run(service, port, Lines(), collection)
