"""Listening on a port, and serving an ASGI application there within the bounds of `Connection`."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError, UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

FILES = 4096
"""Files that the process may have open, where the system allows it.

Those beyond the bound on connections are accepted before they are refused, many at a time.
"""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a host and a port; port 0 stands for any that is free.

    Raises
    ------
    UsageError
        If the port is taken, or the host is not an address of this machine.

    Examples
    --------
    >>> with listen("127.0.0.1", 0) as listening:
    ...     listening.getsockname()[0]
    '127.0.0.1'
    """
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # The protocol is named, because only then asyncio switches Nagle's algorithm off, which
        # delays the second part of an answer by 40 ms, until the first is acknowledged.
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


def configured(app: ASGIApp, *, grace: int) -> uvicorn.Config:
    """Return the configuration of uvicorn for an application.

    Parameters
    ----------
    app : ASGIApp
        The application, a guard before it.
    grace : int
        Seconds for which a stopping server waits for its last requests to finish.
    """
    import uvicorn

    from clr_search.web.connections import KEEP_ALIVE, Connection

    return uvicorn.Config(
        app,
        http=Connection,
        log_level="warning",
        access_log=False,
        use_colors=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # A client could claim any address by them, and nothing needs them.
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=grace,
    )


def allow_files() -> None:
    """Raise the number of files that the process may have open to `FILES`, as far as it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def serving_aside(config: uvicorn.Config, listening: socket.socket) -> Iterator[None]:
    """Serve from a thread during the context; the socket is closed at its end.

    Raises
    ------
    ClrSearchError
        If the application does not start.
    """
    import uvicorn

    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise ClrSearchError("The server did not start.", "Its log above says why.")
            time.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
