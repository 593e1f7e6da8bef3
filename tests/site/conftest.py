"""A small collection, and sites made of it, served on this machine."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clr_search.index import Index
from clr_search.site import Options, export_site

NODE = Path(__file__).parents[2] / "examples" / "node"
PACKAGE = NODE / "node_modules" / "onnxruntime-web"


@pytest.fixture(scope="session")
def collection(
    tiny_encoder: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The 36 test pictures, indexed."""
    path = tmp_path_factory.mktemp("site") / "colours.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    return path


Export = Callable[..., Path]


@pytest.fixture
def export(collection: Path, tmp_path: Path) -> Export:
    """Write the collection as a site: `export(paths=True)`."""

    def write(out: Path = tmp_path / "site", *, force: bool = False, **options: object) -> Path:
        chosen = Options(**{"title": "Colours", **options})  # type: ignore[arg-type]
        with Index.open(collection) as index:
            export_site(index, out, chosen, force=force)
        return out

    return write


@pytest.fixture(scope="session")
def runtime_folder() -> Path:
    """An npm install of onnxruntime-web."""
    if not PACKAGE.is_dir():
        lacking = "onnxruntime-web: run `npm ci --prefix examples/node`"
        if os.environ.get("CI"):
            pytest.fail(f"There is no {lacking}.")
        pytest.skip(f"no {lacking}")
    return NODE


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")  # as a CDN does
        super().end_headers()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a folder on a plain web server."""
    handler = functools.partial(_Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
