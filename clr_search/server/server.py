"""Running the service on a port until it is told to stop; SIGHUP makes it read its keys anew."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from clr_search import terminal
from clr_search.errors import ClrSearchError, UsageError, require
from clr_search.progress import Reporter
from clr_search.server.settings import CurrentKeys, Keys
from clr_search.web import listening
from clr_search.web.hosts import LOOPBACK

if TYPE_CHECKING:
    import uvicorn

    from clr_search.server.routes import Service

_MMAP_THRESHOLD = -3  # The number of the parameter M_MMAP_THRESHOLD of mallopt(3) in glibc.

GRACE = 30
"""Seconds for which a stopping service waits for its last requests to finish."""


def require_key(host: str, *, keys: bool, open_to_all: bool) -> None:
    """Refuse to open a collection to a network by mistake.

    Parameters
    ----------
    host : str
        The address to listen on.
    keys : bool
        Whether requests need a key.
    open_to_all : bool
        Whether the person has confirmed that no key is wanted.

    Raises
    ------
    UsageError
        If other machines can reach the host, and neither `keys` nor `open_to_all` is true.

    Examples
    --------
    >>> require_key("127.0.0.1", keys=False, open_to_all=False)
    """
    if host in LOOPBACK or keys or open_to_all:
        return
    raise UsageError(
        f"On {host} everybody in the network could search the collection.",
        "Give --keys FILE, or say --no-key if that is wanted.",
    )


def run(
    service: Service,
    port: int,
    reporter: Reporter,
    collection: Path,
    *,
    keys: CurrentKeys | None = None,
    open_to_all: bool = False,
    logged: bool = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C, and finish the requests in progress then.

    Parameters
    ----------
    service : Service
        The service to run; it listens on `service.host`, or where a supervisor listens for it.
    port : int
        The TCP port; 0 for any that is free.
    reporter : Reporter
        Shows the address of the service.
    collection : Path
        The folder of the collection, for messages.
    keys : CurrentKeys, optional
        The accepted keys, which may change; by default those of the service.
    open_to_all : bool
        Whether the person has confirmed that no key is wanted.
    logged : bool
        Whether there is a log already (`web.access_log.logging_to`).

    Raises
    ------
    UsageError
        If an extra is missing, the port is taken, or a supervisor listens beyond this machine and
        there is no key.
    """
    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
        require(module, "serve")
    from clr_search.web.accepting import Server

    _give_back_memory()
    listening.allow_files()
    door = listening.listen(service.host, port)
    with terminal.escaping(), door:
        require_key(door.getsockname()[0], keys=bool(service.keys), open_to_all=open_to_all)
        server = Server(configured(service, keys, logged=logged))
        url = listening.url_of(door)
        reporter.message(f"Serving {collection} at {url} (Ctrl-C to stop)")
        _leave_out_of_collections()
        with _ending_on_sigterm(server):
            server.run(sockets=[door])
    reporter.message("Stopped.")


def configured(
    service: Service, keys: CurrentKeys | None = None, *, logged: bool = False
) -> uvicorn.Config:
    """Return the configuration of uvicorn for a service; the parameters are those of `run`."""
    from clr_search.server.routes import create_app

    return listening.configured(create_app(service, keys), grace=GRACE, logged=logged)


@contextmanager
def reread_on_hangup(
    keys: CurrentKeys, read: Callable[[], Keys], reporter: Reporter
) -> Iterator[None]:
    """Read the keys anew at each SIGHUP during the context; without effect on Windows.

    Keys that cannot be read, or would open the service to all, change nothing.

    Parameters
    ----------
    keys : CurrentKeys
        The keys to replace.
    read : callable
        Reads the keys, or raises a `ClrSearchError`.
    reporter : Reporter
        Shows what has become of it.
    """

    def reread() -> None:
        try:
            fresh = read()
            if keys.keys and not fresh:
                raise UsageError("There is no key any more.")
        except ClrSearchError as error:
            reporter.message(f"{error} The keys stay as they were.")
            return
        keys.keys = fresh
        reporter.message(f"Keys accepted now: {len(fresh.named):,}.")

    def hung_up(number: int, frame: FrameType | None) -> None:
        # Not in the handler itself, which may have interrupted another message.
        threading.Thread(target=reread).start()

    if not hasattr(signal, "SIGHUP") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def _ending_on_sigterm(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM be a way to stop that is no failure.

    uvicorn raises the signal once more at its end, to the handler that was there before it.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave_out_of_collections() -> None:
    """Let the garbage collector not look at what stays until the end: modules, models, routes.

    It looks at all objects after every few ten thousand new ones, which a request of 60 kB can
    ask for (``[[],[],…]``): that took 17 ms, and without all these 4 ms.
    """
    gc.collect()
    gc.freeze()


def _give_back_memory() -> None:
    """Let glibc, where it is the allocator, return the memory of large pictures to the system.

    By default glibc soon keeps freed blocks of up to 32 MB, in every thread. After 120,000 damaged
    pictures, some of which claim to be huge, the service had grown from 165 to 263 MB.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, 2**22)
