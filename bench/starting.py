"""Servers, our own and those of object stores: started, waited for, and ended."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

_STARTING = 60.0


class _Server(Protocol):
    """A server in a process of its own."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it, if it was started."""


_Started = TypeVar("_Started", bound=_Server)


@contextmanager
def running(server: _Started) -> Iterator[_Started]:
    """Start a server, and kill it at the end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def serving(*command: object) -> Iterator[tuple[int, int]]:
    """Run a command of ours that serves, until the end: its process, and its port."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "clr_search", *map(str, command), "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    told = ""
    for line in server.stderr:  # the app says first what it opens
        told += line
        if re.search(rf":{port}\b", line):
            break
    else:
        raise RuntimeError(told)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    try:
        yield server.pid, port
    finally:
        server.terminate()
        server.wait()


def wait_for(
    process: subprocess.Popen[bytes],
    ask: Callable[[], object],
    not_yet: type[Exception],
    log: Path,
) -> None:
    """Ask a server until it answers; `not_yet` is raised by one that is not up.

    The end of its log is told where it has ended, or takes longer than a minute.
    """
    ends = time.monotonic() + _STARTING
    while True:
        try:
            ask()
        except not_yet:
            shown = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, shown
            assert time.monotonic() < ends, shown
            time.sleep(0.05)
        else:
            return


def objects_of(folder: Path, prefix: str) -> dict[str, bytes]:
    """The files of a folder as objects below a prefix, by their keys."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {f"{prefix}/{f.relative_to(folder).as_posix()}": f.read_bytes() for f in files}
