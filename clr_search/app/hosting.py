"""How the page is served: Gradio and the app's own routes behind the guard, on one socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError
from clr_search.web import listening
from clr_search.web.hosts import Names, root_path

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import APIRouter, FastAPI

    from clr_search.app.main import Access

GRACE = 2
"""Seconds for which a stopping page waits for its last answers."""

_PORTS = range(7860, 7960)  # The ports that are tried where none is given.


@dataclass(frozen=True, slots=True)
class Site:
    """What is served.

    Attributes
    ----------
    page : gradio.Blocks
        The page.
    routes : tuple of APIRouter
        The app's own addresses, below ``/clr``.
    cache : Path
        A private folder, which is removed at the end.
    """

    page: gr.Blocks
    routes: tuple[APIRouter, ...]
    cache: Path


@contextmanager
def served(site: Site, host: str, port: int | None, access: Access) -> Iterator[str]:
    """Serve a page behind the guard during the context, and yield its address."""
    from clr_search.app.guard import Guard
    from clr_search.app.messages import Events

    names, below = Names.of(host, access.more_hosts), root_path(access.root_path)
    with listening_on(host, port) as door:
        access.require_login(door.getsockname()[0])  # A supervisor may listen elsewhere.
        listening.allow_files()
        app = _mounted(site, door, below)
        mounted = app.routes[-1].app  # type: ignore[attr-defined]
        guarded = Guard(app, Events.of(site.page), names, access.logins, below)
        with listening.serving_aside(listening.configured(guarded, grace=GRACE), door):
            try:
                yield f"{listening.url_of(door)}/"
            finally:
                site.page.close(verbose=False)  # It ends the queue.
                mounted.stop_event.set()  # It ends answers that are open as long as the page is.


def _mounted(site: Site, door: socket.socket, below: str) -> FastAPI:
    """Return the application that answers for a page and the app's own routes."""
    import gradio as gr
    from fastapi import FastAPI

    from clr_search.app.guard import MAX_UPLOAD_BYTES
    from clr_search.app.theme import STYLE_SHEETS, theme, write_icon

    host, port = door.getsockname()[:2]
    site.page.has_launched = True  # Else Gradio reads any file of the machine that a browser names.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for router in site.routes:
        app.include_router(router, prefix="/clr")
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        site.page,
        path="/",
        server_name=host,
        server_port=port,
        root_path=below or None,
        show_error=False,
        max_file_size=MAX_UPLOAD_BYTES,
        enable_monitoring=False,
        run_history=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=theme(),
        css_paths=STYLE_SHEETS,
        favicon_path=write_icon(site.cache),
    )
    return mounted


def listening_on(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on the port, or on the first free one where none is given."""
    for candidate in _PORTS if port is None else ():
        with suppress(UsageError):
            return listening.listen(host, candidate)
    return listening.listen(host, port or 0)


def settings(cache: Path, host: str) -> dict[str, str]:
    """Return environment variables for settings of libraries that have no parameter."""
    unproxied = [host for host in os.environ.get("NO_PROXY", "").split(",") if host]
    addresses = ",".join([*unproxied, "127.0.0.1", "localhost", host])
    return {
        "GRADIO_TEMP_DIR": str(cache),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ALLOWED_PATHS": "",
        "GRADIO_ROOT_PATH": "",
        "GRADIO_DEBUG": "0",
        # ONNX Runtime sends telemetry since release 1.29; the tools of Gradio can do so, too.
        "ORT_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Gradio sends a request to its own server, which must not go through a proxy.
        "NO_PROXY": addresses,
        "no_proxy": addresses,
    }


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables during the context, and restore them after it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
