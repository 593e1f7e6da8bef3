"""How the page is served: Gradio and the app's own routes behind the guard, on one socket."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError
from clr_search.web import listening
from clr_search.web.hosts import Names, root_path

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import APIRouter, FastAPI
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Receive, Scope, Send

    from clr_search.app.access import Access
    from clr_search.app.library.tiles import Tiles

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
    tools : StreamableHTTPSessionManager or None
        What answers agents; None where they may not ask.
    tiles : Tiles or None
        The thumbnails, which are answered for before all else; None where there is no collection.
    """

    page: gr.Blocks
    routes: tuple[APIRouter, ...]
    cache: Path
    tools: StreamableHTTPSessionManager | None = None
    tiles: Tiles | None = None


@contextmanager
def served(site: Site, host: str, port: int | None, access: Access) -> Iterator[str]:
    """Serve a page behind the guard during the context, and yield its address."""
    from clr_search.app.guard import OWN, Guard
    from clr_search.app.messages import Events
    from clr_search.app.routes.pictures import Thumbnails
    from clr_search.web.accepting import serving_aside

    names, below = Names.of(host, access.more_hosts), root_path(access.root_path)
    with listening_on(host, port) as door:
        access.require_login(door.getsockname()[0])  # A supervisor may listen elsewhere.
        listening.allow_files()
        app = _mounted(site, door, below)
        mounted = app.routes[-1].app  # type: ignore[attr-defined]
        quick = app if site.tiles is None else Thumbnails(app, site.tiles, f"{OWN}thumb/")
        guarded = Guard(quick, Events.of(site.page), names, access.logins, below)
        with serving_aside(listening.configured(guarded, grace=GRACE), door):
            try:
                yield f"{listening.url_of(door)}/"
            finally:
                site.page.close(verbose=False)  # It ends the queue.
                mounted.stop_event.set()  # It ends answers that are open as long as the page is.


def _mounted(site: Site, door: socket.socket, below: str) -> FastAPI:
    """Return the application that answers for a page and the app's own routes."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.routing import Route

    from clr_search.app.guard import MAX_UPLOAD_BYTES, TOOLS
    from clr_search.app.theme import STYLE_SHEETS, theme, write_icon

    host, port = door.getsockname()[:2]
    site.page.has_launched = True  # Else Gradio reads any file of the machine that a browser names.
    lifespan = None if site.tools is None else _running(site.tools)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for router in site.routes:
        app.include_router(router, prefix="/clr")
    if site.tools is not None:
        app.router.routes.append(Route(TOOLS, _Asgi(site.tools.handle_request), methods=["POST"]))
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


def _running(
    manager: StreamableHTTPSessionManager,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application during which agents are answered."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with manager.run():
            yield

    return lifespan


class _Asgi:
    """An application made of a method, which a route would take for a function of a request."""

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


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
