"""The log of a server: a line for each request and each failure, as text or as JSON.

Nothing that a request says reaches a line unescaped: a path can hold line ends and the characters
that a terminal obeys. Of a known route its pattern is written, of all others the path,
percent-encoded; queries, headers and keys are never written, only the name of a key.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import Scope

from clr_search.errors import UsageError, shortened
from clr_search.files.disk import remedy_of
from clr_search.progress import Silent
from clr_search.terminal import printable
from clr_search.web.hosts import is_loopback
from clr_search.web.requests.exchange import Exchange

Format = Literal["text", "json"]

_LOGGED = ("clr_search", "uvicorn")  # loggers whose records are written
_messages = logging.getLogger("clr_search.messages")
_requests = logging.getLogger("clr_search.requests")
_LONGEST = 200  # characters of a path


@dataclass(frozen=True, slots=True)
class Access:
    """A request that is over.

    Attributes
    ----------
    method, route : str
        Its method, and the pattern of its route, or its percent-encoded path where it has none.
    status : int
        Status of the answer; 499 where the client had gone before it.
    ms : float
        Milliseconds from its head to the end of its answer.
    received, sent : int
        Bytes of its body, and of that of the answer.
    client : str
        Address of the client.
    via : str
        Address of the proxy on this machine that names the client; empty for none.
    key : str
        Name of the key, or of the person; empty for none.
    """

    method: str
    route: str
    status: int
    ms: float
    received: int
    sent: int
    client: str
    via: str
    key: str

    @classmethod
    def of(cls, scope: Scope, exchange: Exchange, seconds: float) -> Access:
        """Return the entry of a request and its answer, which took some seconds."""
        route = getattr(scope.get("route"), "path", "")
        client, via = _client(scope)
        return cls(
            method=exchange.method,
            route=route or shortened(quote(scope["path"], errors="replace"), _LONGEST),
            status=exchange.status or 499,
            ms=round(1000 * seconds, 1),
            received=exchange.received,
            sent=exchange.sent,
            client=client,
            via=via,
            key=exchange.who,
        )

    def line(self) -> str:
        """Return the entry as a line of text."""
        via = f" via {self.via}" if self.via else ""
        key = f" key {self.key}" if self.key else ""
        return (
            f"{self.method} {self.route} {self.status} {self.ms:.1f} ms, "
            f"{self.received} bytes in, {self.sent} out, from {self.client}{via}{key}"
        )


def _client(scope: Scope) -> tuple[str, str]:
    """Return the address of a client, and that of a proxy on this machine which names it.

    Only a proxy on this machine is believed, and of what it says the last address, which it has
    added itself.
    """
    peer = (scope.get("client") or ("unknown", 0))[0]
    told = Headers(scope=scope).get("x-forwarded-for", "").rpartition(",")[2].strip()
    if is_loopback(peer):
        with suppress(ValueError):
            return str(ip_address(told)), peer
    return peer, ""


def log_request(scope: Scope, exchange: Exchange, seconds: float) -> None:
    """Write a request that is over to the log, where there is one."""
    if _requests.isEnabledFor(logging.INFO):
        access = Access.of(scope, exchange, seconds)
        _requests.info("%s", access.line(), extra={"access": access})


class Logged(Silent):
    """A reporter whose messages go to the log, so that all of it is of one format."""

    def message(self, text: str) -> None:
        """Write a line to the log."""
        _messages.info("%s", text)


class _Formatter(logging.Formatter):
    """Records as lines of text, or as JSON objects, one a line."""

    def __init__(self, form: Format) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or for the traceback of a failure the lines, of a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat("T", "milliseconds")
        time = time.replace("+00:00", "Z")
        level, message = record.levelname.lower(), record.getMessage()
        access = getattr(record, "access", None)
        failure = self.formatException(record.exc_info) if record.exc_info else ""
        if self._form == "text":
            line = f"{time} {level} {printable(message, lines=False)}"
            return f"{line}\n{printable(failure)}" if failure else line
        entry: dict[str, Any] = {"time": time, "level": level}
        if isinstance(access, Access):
            entry |= {"event": "request", **asdict(access)}
        else:
            entry |= {"event": "message", "message": message}
        if failure:
            entry["failure"] = failure
        return json.dumps(entry)


class _Stderr(logging.Handler):
    """Writes to stderr as it is now, which `terminal.escaping` may have put another in place of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a log that nobody reads stops no request."""
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


class _File(logging.handlers.WatchedFileHandler):
    """Appends to a file, and to a new one once it was moved away, as logrotate does."""

    _complained = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say once that the file cannot be written; requests are answered all the same."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and not self._complained:
            self._complained = True
            print(f"The log {self.baseFilename} cannot be written: {error}.", file=sys.stderr)


@contextmanager
def logging_to(form: Format, file: Path | None) -> Iterator[None]:
    """Write the log to a file, or to stderr, during the context.

    Raises
    ------
    UsageError
        If the file cannot be opened.
    """
    try:
        handler = _Stderr() if file is None else _File(file, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The log {file} cannot be written: {error}.", remedy_of(error)) from error
    handler.setFormatter(_Formatter(form))
    loggers = [logging.getLogger(name) for name in _LOGGED]
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("clr_search").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, propagate, level in before:
            logger.removeHandler(handler)
            logger.propagate = propagate
            logger.setLevel(level)
        handler.close()
