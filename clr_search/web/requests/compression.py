"""Bodies in gzip: those of requests are unpacked within their bound, those of answers packed.

A gzip body can unpack to a thousand times its size. It is unpacked in pieces, each of which is
counted as if it had been sent, before the next one is.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Send

from clr_search.web.problems import Problem

WORTHWHILE = 1024
"""Bytes of an answer from which it is packed; smaller ones fit into a packet as they are."""

_TEXTS = ("application/json", "application/problem+json", "text/")
_PIECE = 2**18  # bytes of an unpacked body that are handed on at a time
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 1  # vectors as text get little smaller at higher levels, which take several times longer
_MOST_PARTS = 2**16  # gzip files one after the other in a body; each may unpack to nothing


def packing(headers: Headers) -> bool:
    """Return whether the body of a request is packed by gzip.

    Raises
    ------
    Problem
        If it is packed by anything else (415).

    Examples
    --------
    >>> packing(Headers({"content-encoding": "gzip"})), packing(Headers())
    (True, False)
    """
    names = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if names in ([], ["gzip"], ["x-gzip"]):
        return bool(names)
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is packed by something else than gzip.",
        "Send it as it is, or with content-encoding: gzip.",
        {"accept-encoding": "gzip, identity"},
    )


def unpacked(receive: Receive, take: Callable[[int, int], None]) -> Receive:
    """Return a `receive` that unpacks the gzip body which another one receives.

    Parameters
    ----------
    receive : Receive
        Receives the packed body.
    take : callable
        Is called with the bytes of each unpacked piece and of all so far, and raises a `Problem`
        where they are too many.
    """
    body = _Unpacking()

    async def receive_unpacked() -> Message:
        if body.ended:
            return await receive()  # It tells that the client has gone.
        while not body.ready():
            message = await receive()
            if message["type"] != "http.request":
                return message
            body.feed(message.get("body", b""), last=not message.get("more_body", False))
        await asyncio.sleep(0)  # Others are answered between two pieces.
        piece = body.next_piece()
        take(len(piece), body.total)
        return {"type": "http.request", "body": piece, "more_body": not body.ended}

    return receive_unpacked


class _Unpacking:
    """A gzip body that is unpacked piece by piece; it may be of several files, one after another.

    Attributes
    ----------
    total : int
        Bytes unpacked so far.
    ended : bool
        Whether the body has been unpacked to its end.
    """

    def __init__(self) -> None:
        self.total, self.ended = 0, False
        self._packed, self._last, self._parts = b"", False, 0
        self._begin()

    def _begin(self) -> None:
        """Begin a gzip file, the first one or one behind another."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _damaged(f"has more than {_MOST_PARTS:,} parts")
        self._inflate, self._between = zlib.decompressobj(_GZIP), False

    def ready(self) -> bool:
        """Whether a piece can be unpacked, or there is nothing more to wait for."""
        return bool(self._packed) or self._last

    def feed(self, data: bytes, *, last: bool) -> None:
        """Add packed bytes, which are the last ones or not."""
        self._packed, self._last = self._packed + data, last

    def next_piece(self) -> bytes:
        """Return the next unpacked bytes, at most `_PIECE`.

        Raises
        ------
        Problem
            If it is no gzip, or stops before its end (422).
        """
        if self._between and self._packed:
            self._begin()
        try:
            piece = b"" if self._between else self._inflate.decompress(self._packed, _PIECE)
        except zlib.error:
            raise _damaged("is no gzip") from None
        self.total += len(piece)
        self._between = self._inflate.eof
        self._packed = self._inflate.unused_data if self._between else self._inflate.unconsumed_tail
        if self._last and not self._packed:
            self.ended = self._between
            if not self.ended and len(piece) < _PIECE:
                raise _damaged("stops before its end")
        return piece


def _damaged(how: str) -> Problem:
    """Return the refusal of a body that cannot be unpacked."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"The body {how}, though its content-encoding says gzip.",
        "Pack it with gzip, or leave the header content-encoding out.",
    )


def accepts_gzip(headers: Headers) -> bool:
    """Whether the client of a request unpacks answers in gzip.

    Examples
    --------
    >>> accepts_gzip(Headers({"accept-encoding": "br, gzip;q=0.5"}))
    True
    >>> accepts_gzip(Headers({"accept-encoding": "gzip;q=0"})), accepts_gzip(Headers())
    (False, False)
    """
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        if name in {"gzip", "*"}:
            return bool(weight.strip("0.")) if weight else True
    return False


class Packed:
    """A `send` that packs an answer by gzip where this makes it much smaller.

    These are texts of some length that come whole, in one piece. Pictures and raw vectors are left
    as they are.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None  # of a text whose length is not known yet

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            headers = Headers(raw=message.get("headers", []))
            text = headers.get("content-type", "").startswith(_TEXTS)
            if text and "content-encoding" not in headers:
                self._head = message
                return
        elif self._head is not None:
            head, self._head = self._head, None
            headers = MutableHeaders(raw=list(head["headers"]))
            headers.add_vary_header("accept-encoding")
            body = message.get("body", b"")
            if not message.get("more_body", False) and len(body) >= WORTHWHILE:
                pack = partial(gzip.compress, body, _LEVEL, mtime=0)
                # A thread costs more than packing a short text.
                body = await asyncio.to_thread(pack) if len(body) > _PIECE else pack()
                headers["content-encoding"], headers["content-length"] = "gzip", str(len(body))
                message = {**message, "body": body}
            await self._send({**head, "headers": headers.raw})
        await self._send(message)
