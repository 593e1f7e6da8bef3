"""The service on a port, until it is told to stop."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError, require
from clr_search.progress import Reporter
from clr_search.web.hosts import LOOPBACK

if TYPE_CHECKING:
    import uvicorn

    from clr_search.server.routes import Service

_MMAP_THRESHOLD = -3  # parameter of glibc's mallopt(3)

GRACE = 30
"""Seconds that requests in work have to finish, when the service is told to stop."""


def require_key(host: str, *, keys: bool, open_to_all: bool) -> None:
    """Refuse to open a collection to a network by mistake.

    Raises
    ------
    UsageError
        If the host is not this machine, there is no key, and it was not said twice.
    """
    if host in LOOPBACK or keys or open_to_all:
        return
    raise UsageError(
        f"On {host} everybody in the network could search the collection.",
        "Give --keys FILE, or say --no-key if that is wanted.",
    )


def run(service: Service, port: int, reporter: Reporter, collection: Path) -> None:
    """Serve until SIGTERM or Ctrl-C; requests in work are finished first.

    Parameters
    ----------
    service : Service
        What is served; its host is listened on.
    port : int
        Port; 0 for any that is free.
    reporter : Reporter
        Is told the address.
    collection : Path
        What to call it.

    Raises
    ------
    UsageError
        If an extra is missing, or the port is taken.
    """
    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
        require(module, "serve")
    import uvicorn

    _give_back_memory()
    listening = listen(service.host, port)
    config = configured(service)
    name = f"[{service.host}]" if ":" in service.host else service.host
    url = f"http://{name}:{listening.getsockname()[1]}"
    reporter.message(f"Serving {collection} at {url} (Ctrl-C to stop)")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
    reporter.message("Stopped.")


def configured(service: Service) -> uvicorn.Config:
    """What the server is run with."""
    import uvicorn

    from clr_search.server.connections import KEEP_ALIVE, Connection
    from clr_search.server.routes import create_app

    return uvicorn.Config(
        create_app(service),
        http=Connection,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # a client could claim any address; nothing here depends on it
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def _give_back_memory() -> None:
    """Let glibc, where it is the allocator, give a large picture's memory back when it is done.

    By itself it soon keeps blocks of up to 32 MB for the next one, in every thread: after 120,000
    damaged pictures, some of which claim to be huge, the service had grown from 165 to 263 MB.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, 2**22)


def listen(host: str, port: int) -> socket.socket:
    """A socket that connections come to.

    Raises
    ------
    UsageError
        If the port is taken, or the host is not this machine.
    """
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # With the protocol named: only then asyncio switches Nagle's algorithm off, which holds the
        # second part of an answer back until the first is acknowledged, 40 ms later.
        listening = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(256)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise UsageError(
            f"Cannot listen on {host}:{port}: the port is taken, or the address is not this "
            "machine's.",
            "Choose another --port, or 0 for any that is free.",
        ) from error
    listening.set_inheritable(True)
    return listening
