"""Running the service on a port until it is told to stop."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search import terminal
from clr_search.errors import UsageError, require
from clr_search.progress import Reporter
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


def run(service: Service, port: int, reporter: Reporter, collection: Path) -> None:
    """Serve until SIGTERM or Ctrl-C, and finish the requests in progress then.

    Parameters
    ----------
    service : Service
        The service to run; it listens on `service.host`.
    port : int
        The TCP port; 0 for any that is free.
    reporter : Reporter
        Shows the address of the service.
    collection : Path
        The folder of the collection, for messages.

    Raises
    ------
    UsageError
        If an extra is missing, or the port is taken.
    """
    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
        require(module, "serve")
    import uvicorn

    _give_back_memory()
    listening.allow_files()
    door = listening.listen(service.host, port)
    name = f"[{service.host}]" if ":" in service.host else service.host
    url = f"http://{name}:{door.getsockname()[1]}"
    with terminal.escaping(), door:
        server = uvicorn.Server(configured(service))
        reporter.message(f"Serving {collection} at {url} (Ctrl-C to stop)")
        server.run(sockets=[door])
    reporter.message("Stopped.")


def configured(service: Service) -> uvicorn.Config:
    """Return the configuration of uvicorn for a service."""
    from clr_search.server.routes import create_app

    return listening.configured(create_app(service), grace=GRACE)


def _give_back_memory() -> None:
    """Let glibc, where it is the allocator, return the memory of large pictures to the system.

    By default glibc soon keeps freed blocks of up to 32 MB, in every thread. After 120,000 damaged
    pictures, some of which claim to be huge, the service had grown from 165 to 263 MB.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, 2**22)
