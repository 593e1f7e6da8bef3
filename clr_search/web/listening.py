"""Listening on a port, and how an application is served there: in the bounds of `Connection`."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

from clr_search.errors import UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

FILES = 4096
"""Files that the process may have open, where the system allows it.

Those beyond the bound on connections are accepted before they are refused, many at a time.
"""

BACKLOG = 2048
"""Connections that the system keeps until they are taken. Of one too many it drops the first
packet, which a client sends again after a second."""

_HANDED_OVER = 3  # the first descriptor that sd_listen_fds(3) hands over


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a host and a port; port 0 stands for any that is free.

    Where a supervisor has handed one over (`handed_over`), it is this, wherever it listens.

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
    listening = handed_over(os.environ)
    if listening is not None:
        return listening
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
        listening.listen(BACKLOG)
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


def handed_over(environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the listening socket that a supervisor has handed to this process, if it has.

    This is how systemd starts a service with a ``.socket`` unit (``sd_listen_fds``). The supervisor
    keeps the socket, so that requests wait while the service is restarted, and none is refused. The
    variables that tell of it are removed, so that it is taken once.

    Parameters
    ----------
    environment : mutable mapping
        Environment variables.

    Raises
    ------
    UsageError
        If it is not one socket that listens.
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count:
        return None
    if count != "1":
        raise UsageError(
            f"The supervisor has handed {count} sockets over; one is used.",
            "Give the .socket unit one line ListenStream=.",
        )
    try:
        given = socket.socket(fileno=_HANDED_OVER)
        if given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 1:
            raise OSError("it does not listen")
        if given.family not in {socket.AF_INET, socket.AF_INET6}:
            raise OSError("it is none of TCP")
    except OSError as error:
        raise UsageError(
            f"The socket that the supervisor has handed over cannot be used: {error}.",
            "Let it be a ListenStream= of TCP, with Accept=no.",
        ) from error
    # asyncio switches Nagle's algorithm off where the protocol is known; it may not be.
    known = socket.socket(given.family, given.type, socket.IPPROTO_TCP, given.detach())
    known.set_inheritable(False)
    return known


def url_of(listening: socket.socket) -> str:
    """Return the address of a listening socket as a URL without a slash at its end."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configured(app: ASGIApp, *, grace: int, logged: bool = False) -> uvicorn.Config:
    """Return the configuration of uvicorn for an application.

    Parameters
    ----------
    app : ASGIApp
        The application, a guard before it.
    grace : int
        Seconds for which a stopping server waits for its last requests to finish.
    logged : bool
        Whether there is a log already (`access_log.logging_to`), so that uvicorn makes none.
    """
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from clr_search.web.connections import KEEP_ALIVE, Connection

    return uvicorn.Config(
        app,
        http=Connection,
        log_level="warning",
        log_config=None if logged else LOGGING_CONFIG,
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
