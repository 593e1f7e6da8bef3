"""The application: the page put together, and served to one machine.

`launch` keeps to this machine and to itself: it listens on 127.0.0.1, talks to nobody (no
analytics, no fonts or scripts from elsewhere; see `clr_search.app.guard`), serves no file of the
collection (thumbnails are made in memory), and keeps uploads in a private folder that is removed at
the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from clr_search import images
from clr_search.errors import UsageError, require
from clr_search.progress import Lines, Reporter
from clr_search.web.hosts import LOOPBACK

if TYPE_CHECKING:
    import gradio as gr

MAX_UPLOAD_BYTES = min(images.MAX_BYTES, 64 * 2**20)
"""Largest picture that can be uploaded; photographs straight from a camera fit."""


def build(collection: Path | str, probe: Path | str | None = None) -> gr.Blocks:
    """Put the page together.

    Parameters
    ----------
    collection : path
        A collection made by ``clr-search build-index``.
    probe : path, optional
        A `probe.onnx`; with it there is a Classify tab.

    Returns
    -------
    gradio.Blocks
        The page, not yet served. It holds the collection open as long as it lives.

    Raises
    ------
    UsageError
        If gradio is not installed, or the collection or the probe cannot be opened.
    """
    require("gradio", "app")
    from clr_search.app.explorer import Explorer
    from clr_search.app.page import compose
    from clr_search.index import Index
    from clr_search.serve import Probe

    collection = Path(collection)
    explorer = Explorer(Index.open(collection))
    name = collection.resolve().name.removesuffix(".clr")
    return compose(name, explorer, Probe(probe) if probe else None)


def launch(
    collection: Path | str,
    *,
    probe: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    reporter: Reporter | None = None,
) -> None:
    """Serve the page until Ctrl-C (or SIGTERM); its address is printed on stderr.

    Parameters
    ----------
    collection, probe : path
        As for `build`.
    host : str
        Address to listen on. Any other than this machine's own opens the collection to the network.
    port : int, optional
        Port; by default the first free one from 7860.
    open_browser : bool
        Show the page in the default browser.
    reporter : Reporter, optional
        Where messages go; plain lines on stderr by default.

    Raises
    ------
    UsageError
        As for `build`, and if the port is taken.
    """
    reporter = reporter or Lines()
    with _interrupted_by_sigterm(), serving(collection, probe=probe, host=host, port=port) as url:
        reporter.message(f"Searching {collection} at {url} (Ctrl-C to stop)")
        if host not in LOOPBACK:
            reporter.message(f"Listening on {host}: everyone on that network can search it.")
        if open_browser:
            webbrowser.open(url)
        try:
            # A wait without a timeout cannot be interrupted on Windows.
            while not threading.Event().wait(3600):
                pass
        except KeyboardInterrupt:
            reporter.message("Stopped.")


@contextmanager
def serving(
    collection: Path | str,
    *,
    probe: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[str]:
    """Serve the page from a thread while the context lasts; yields its address.

    Parameters and errors are those of `launch`.
    """
    with ExitStack() as stack:
        cache = Path(tempfile.mkdtemp(prefix="clr-search-app-"))  # only this user can enter it
        stack.callback(shutil.rmtree, cache, ignore_errors=True)
        stack.enter_context(_environment(_settings(cache, host)))
        page = build(collection, probe)  # the first to import gradio, which reads the environment
        stack.callback(page.close, verbose=False)
        yield _start(page, cache, host, port)


def _start(page: gr.Blocks, cache: Path, host: str, port: int | None) -> str:
    from starlette.middleware import Middleware

    from clr_search.app.guard import Guard
    from clr_search.app.theme import STYLE_SHEET, theme, write_icon

    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            inbrowser=False,
            inline=False,
            share=False,
            show_error=False,
            debug=False,
            max_file_size=MAX_UPLOAD_BYTES,
            enable_monitoring=False,
            run_history=False,
            mcp_server=False,
            ssr_mode=False,
            pwa=False,
            footer_links=[],
            app_kwargs={
                "middleware": [Middleware(Guard, host=host)],
                "docs_url": None,
                "redoc_url": None,
                "openapi_url": None,
            },
            theme=theme(),
            css_paths=STYLE_SHEET,
            favicon_path=write_icon(cache),
        )
    except OSError as error:
        where = f"{host}:{port}" if port else host
        raise UsageError(
            f"Cannot listen on {where}: the port is taken, or the address is not this machine's.",
            "Choose another --port, or leave it out to use the first free one.",
        ) from error
    return str(url)


def _settings(cache: Path, host: str) -> dict[str, str]:
    """Environment variables that libraries read, now and later, for what no parameter sets."""
    direct = [item for item in os.environ.get("NO_PROXY", "").split(",") if item]
    addresses = ",".join([*direct, "127.0.0.1", "localhost", host])
    return {
        "GRADIO_TEMP_DIR": str(cache),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ALLOWED_PATHS": "",
        "GRADIO_ROOT_PATH": "",
        "GRADIO_DEBUG": "0",
        # ONNX Runtime reports to its makers from release 1.29 on; Gradio's tools can do so, too.
        "ORT_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Gradio greets its own server over HTTP; that must not go through a proxy.
        "NO_PROXY": addresses,
        "no_proxy": addresses,
    }


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does, so that uploads are removed then, too."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
