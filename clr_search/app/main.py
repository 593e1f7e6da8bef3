"""The application: it composes the page, and serves it to one machine.

`launch` keeps all data on this machine. Unless told otherwise it listens on 127.0.0.1. It connects
to no other machine: there are no analytics, and no fonts or scripts from other servers (see
`clr_search.app.guard`). Pictures are shown as they are drawn anew, and files of the collection are
handed out only where that was asked for. Uploads lie in a private folder that is removed at the
end, thumbnails in the user's cache.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from clr_search import terminal
from clr_search.app.access import LOCAL, Access
from clr_search.app.hosting import Site, environment, served, settings
from clr_search.app.library.permissions import Permissions
from clr_search.app.stubs import require_gradio
from clr_search.errors import UsageError, require
from clr_search.progress import Lines, Reporter
from clr_search.web.hosts import LOOPBACK

if TYPE_CHECKING:
    import gradio as gr

    from clr_search.images.isolation import DecodingLimits


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
        A `probe.onnx`, by which the page classifies.
    decoding : DecodingLimits, optional
        The most that decoding one picture may take.

    Returns
    -------
    gradio.Blocks
        The page, which is not served yet. It keeps the collection open while it exists. Its
        pictures come from routes beside it, which `launch` and `serving` add.

    Raises
    ------
    UsageError
        If gradio is not installed, or the collection or the probe cannot be opened.

    Examples
    --------
    With a collection on disk::

        page = build("photos.clr")
    """
    cache = Path(tempfile.mkdtemp(prefix="clr-search-app-"))
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    return _composed(collection, probe, decoding, Permissions(), cache, None, tools=False)[0].page


def _composed_of_run(
    run: Path | str, decoding: DecodingLimits | None, cache: Path
) -> tuple[Site, Callable[[], None]]:
    """Return what is served of a run alone, and what ends the work behind it."""
    require_gradio()
    from clr_search.app.library.run import RunFolder
    from clr_search.app.page import compose_run
    from clr_search.app.routes.files import files
    from clr_search.app.routes.runs import runs
    from clr_search.images.isolation import DecodingWorkers

    workers = DecodingWorkers(1, decoding)
    shown = RunFolder(run, workers)
    page = compose_run(shown.path.resolve().name, shown)
    return Site(page, (files(), runs(shown)), cache), workers.close


def _composed(
    collection: Path | str,
    probe: Path | str | None,
    decoding: DecodingLimits | None,
    permissions: Permissions,
    cache: Path,
    run: Path | str | None,
    *,
    tools: bool,
) -> tuple[Site, Callable[[], None]]:
    """Return what is served of a collection, and what ends the work behind it."""
    require_gradio()
    if tools:
        require("mcp", "mcp")
    from clr_search.app.page import compose
    from clr_search.app.parts import Parts
    from clr_search.app.programs.actions import Actions
    from clr_search.app.routes import of

    parts = Parts.of(Path(collection), permissions, cache, probe=probe, run=run, decoding=decoding)
    actions = Actions(parts)
    manager = None
    if tools:
        from clr_search.app.programs.tools import manager_of, tools_of

        manager = manager_of(tools_of(parts.name, actions))
    site = Site(compose(parts, actions), of(parts), cache, manager, parts.tiles)
    return site, parts.close


def launch(
    collection: Path | str | None,
    *,
    probe: Path | str | None = None,
    run: Path | str | None = None,
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
        The collection and the classifier, as for `build`; the collection may be None where there
        is a run.
    run : path, optional
        The folder of a run, whose training is shown, also while it goes on.
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
    reporter.message(f"Opening {collection or run} …")
    with (
        terminal.escaping(),
        _interrupted_by_sigterm(),
        serving(
            collection,
            probe=probe,
            run=run,
            host=host,
            port=port,
            access=access,
            decoding=decoding,
        ) as url,
    ):
        doing = f"Showing {run}" if collection is None else f"Searching {collection}"
        reporter.message(f"{doing} at {url} (Ctrl-C to stop)")
        if access.tools:
            from clr_search.app.guard import TOOLS

            told = f"{url.rstrip('/')}{TOOLS}"
            reporter.message(f"Agents ask at {told}, by the Model Context Protocol.")
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
    collection: Path | str | None,
    *,
    probe: Path | str | None = None,
    run: Path | str | None = None,
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
        stack.enter_context(environment(settings(cache, host)))
        # This imports gradio, which reads the environment, for the first time.
        if collection is not None:
            may = access.permissions(host)
            site, close = _composed(
                collection, probe, decoding, may, cache, run, tools=access.tools
            )
        elif run is not None:
            site, close = _composed_of_run(run, decoding, cache)
        else:
            raise UsageError("There is nothing to show.", "Give a collection, or --run RUN.")
        stack.callback(close)
        yield stack.enter_context(served(site, host, port, access))


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
