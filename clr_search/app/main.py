"""The application: it composes the page, and serves it to one machine.

`launch` keeps all data on this machine. Unless told otherwise it listens on 127.0.0.1. It connects
to no other machine: there are no analytics, and no fonts or scripts from other servers (see
`clr_search.app.guard`). It serves no file of the collection, as thumbnails are drawn in memory, and
stores uploads in a private folder that is removed at the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from clr_search import terminal
from clr_search.errors import UsageError, require
from clr_search.progress import Lines, Reporter
from clr_search.web import listening
from clr_search.web.hosts import LOOPBACK, Names, root_path

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import FastAPI

    from clr_search.app.explorer import Explorer
    from clr_search.images.isolation import DecodingLimits
    from clr_search.web.requests.login import Logins


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the page, and under which names.

    Attributes
    ----------
    logins : Logins or None
        Who may use it; None for everybody who reaches it.
    open_to_all : bool
        Whether everybody may who reaches an address other than this machine's own.
    more_hosts : tuple of str
        Names by which it may be addressed, besides IP addresses, `localhost` and the host that it
        listens on.
    root_path : str
        Path below which a proxy shows it, such as ``/photos``.
    """

    logins: Logins | None = None
    open_to_all: bool = False
    more_hosts: tuple[str, ...] = ()
    root_path: str = ""

    def is_known(self, host: str) -> bool:
        """Whether only people with a login, or on this machine, reach the address `host`."""
        return host in LOOPBACK or self.logins is not None

    def require_login(self, host: str) -> None:
        """Refuse to open the collection to a network by mistake.

        Raises
        ------
        UsageError
            If other machines can reach the address `host`, and nobody said that they may.
        """
        if not self.is_known(host) and not self.open_to_all:
            raise UsageError(
                f"On {host} everybody in the network could see the pictures.",
                "Give --auth FILE with a login a line, as in ada:password, or say --no-auth if "
                "that is wanted.",
            )


LOCAL = Access()
"""Everybody who reaches it on this machine."""

GRACE = 2
"""Seconds for which a stopping page waits for its last answers."""

_PORTS = range(7860, 7960)  # The ports that are tried where none is given.


def build(
    collection: Path | str,
    probe: Path | str | None = None,
    decoding: DecodingLimits | None = None,
) -> gr.Blocks:
    """Build the page of a collection.

    Parameters
    ----------
    collection : path
        A collection made by ``clr-search build-index``.
    probe : path, optional
        A `probe.onnx`, which adds a Classify tab.
    decoding : DecodingLimits, optional
        The most that decoding one picture may take.

    Returns
    -------
    gradio.Blocks
        The page, which is not served yet. It keeps the collection open while it exists.

    Raises
    ------
    UsageError
        If gradio is not installed, or the collection or the probe cannot be opened.

    Examples
    --------
    With a collection on disk::

        page = build("photos.clr")
    """
    return _composed(collection, probe, decoding, may_remember=True)[0]


def _composed(
    collection: Path | str,
    probe: Path | str | None,
    decoding: DecodingLimits | None,
    *,
    may_remember: bool,
) -> tuple[gr.Blocks, Explorer]:
    """Return the page of `build`, and the explorer behind it, which its owner may close."""
    require("gradio", "app")
    from clr_search.app.explorer import Explorer
    from clr_search.app.page import compose
    from clr_search.index import Index
    from clr_search.serve import Probe

    collection = Path(collection)
    index = Index.open(collection)
    index.require_encoder()  # here, and not when a visitor's picture has to be embedded
    explorer = Explorer(index, decoding=decoding)
    name = collection.resolve().name.removesuffix(".clr")
    classifier = Probe(probe) if probe else None
    return compose(name, explorer, classifier, may_remember=may_remember), explorer


def launch(
    collection: Path | str,
    *,
    probe: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    access: Access = LOCAL,
    open_browser: bool = True,
    decoding: DecodingLimits | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Serve the page until Ctrl-C (or SIGTERM); its address is printed on stderr.

    Parameters
    ----------
    collection, probe : path
        The collection and the classifier, as for `build`.
    host : str
        Address to listen on. Any other than this machine's own needs logins.
    port : int, optional
        Port; by default the first free one from 7860.
    access : Access
        Who may use the page; by default everybody on this machine.
    open_browser : bool
        Whether to open the page in the default browser.
    decoding : DecodingLimits, optional
        The most that decoding one picture may take.
    reporter : Reporter, optional
        Prints messages; by default as plain lines on stderr.

    Raises
    ------
    UsageError
        If the page cannot be built, the port is taken, or other machines could reach the page and
        there are no logins.
    """
    reporter = reporter or Lines()
    with (
        terminal.escaping(),
        _interrupted_by_sigterm(),
        serving(
            collection, probe=probe, host=host, port=port, access=access, decoding=decoding
        ) as url,
    ):
        reporter.message(f"Searching {collection} at {url} (Ctrl-C to stop)")
        if access.open_to_all and host not in LOOPBACK:
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
    access: Access = LOCAL,
    decoding: DecodingLimits | None = None,
) -> Iterator[str]:
    """Serve the page from a thread during the context, and yield its address.

    Parameters and errors are those of `launch`.
    """
    access.require_login(host)
    with ExitStack() as stack:
        cache = Path(tempfile.mkdtemp(prefix="clr-search-app-"))  # Only this user can open it.
        stack.callback(shutil.rmtree, cache, ignore_errors=True)
        stack.enter_context(_environment(_settings(cache, host)))
        # This imports gradio, which reads the environment, for the first time.
        known = access.is_known(host) and not access.open_to_all
        page, explorer = _composed(collection, probe, decoding, may_remember=known)
        stack.callback(explorer.close)
        yield stack.enter_context(_served(page, cache, host, port, access))


@contextmanager
def _served(
    page: gr.Blocks, cache: Path, host: str, port: int | None, access: Access
) -> Iterator[str]:
    """Serve a page behind the guard during the context, and yield its address."""
    from clr_search.app.guard import Guard
    from clr_search.web.uploads import Uploads

    names, below = Names.of(host, access.more_hosts), root_path(access.root_path)
    with _listening(host, port) as door:
        access.require_login(door.getsockname()[0])  # A supervisor may listen elsewhere.
        listening.allow_files()
        app = _mounted(page, cache, door, below)
        mounted = app.routes[-1].app  # type: ignore[attr-defined]
        uploads, events = Uploads(cache), frozenset(page.fns)
        guarded = Guard(app, uploads, events, names, access.logins, below)
        with listening.serving_aside(listening.configured(guarded, grace=GRACE), door):
            try:
                yield f"{listening.url_of(door)}/"
            finally:
                page.close(verbose=False)  # It ends the queue.
                mounted.stop_event.set()  # It ends answers that are open as long as the page is.


def _mounted(page: gr.Blocks, cache: Path, door: socket.socket, below: str) -> FastAPI:
    """Return the application of Gradio that answers for a page."""
    import gradio as gr
    from fastapi import FastAPI

    from clr_search.app.guard import MAX_UPLOAD_BYTES
    from clr_search.app.theme import STYLE_SHEET, theme, write_icon

    host, port = door.getsockname()[:2]
    page.has_launched = True  # Else Gradio reads any file of the machine that a browser names.
    mounted: FastAPI = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
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
        css_paths=STYLE_SHEET,
        favicon_path=write_icon(cache),
    )
    return mounted


def _listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on the port, or on the first free one where none is given."""
    for candidate in _PORTS if port is None else ():
        with suppress(UsageError):
            return listening.listen(host, candidate)
    return listening.listen(host, port or 0)


def _settings(cache: Path, host: str) -> dict[str, str]:
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
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables during the context, and restore them after it."""
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
    """Make SIGTERM raise KeyboardInterrupt as Ctrl-C does, so that uploads are removed, too."""

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
