"""How the parent and a worker exchange files and pixels: rows of numbers and bytes in one file.

The shared file has no name and lies in memory where the system has such files. It begins with a
row for each picture of a message; behind them, from byte `PAYLOAD`, come the contents of the files,
one after the other, and in the answer the pixels, or the reasons why there are none. A byte through
a pipe tells that it is the other's turn. Nothing is ever unpickled. The parent reads the file and
never maps it, so that a worker can neither change what has been checked nor take it away.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args

import numpy as np

from clr_search.errors import ImageError
from clr_search.images.picture import Note, NoteKind, Picture

MOST = 64
"""Largest number of pictures in a message."""

PAYLOAD = 4096
"""Where in the shared file the bytes of the pictures begin."""

WAITING, WORKING, DONE, REFUSED, LARGE = range(5)
"""States of a picture: not begun, begun, decoded, refused, put off since it is a large one."""

READY = b"r"
"""What a worker writes to its pipe once it can decode."""

TURN = b"t"
"""What a worker writes when it has answered."""

_BETWEEN = " | "
"""What stands between two notes."""

_ROW = struct.Struct("<IIIIIxxxxQQ")
_LONGEST_TEXT = 1000  # Bytes of a reason, and of all notes of a picture.
_NOTE_KINDS = {str(kind): kind for kind in get_args(NoteKind)}

Part: TypeAlias = "bytes | bytearray | memoryview"


class LargePictureError(ImageError):
    """A picture is larger than those that were to be decoded now."""


class WrongAnswerError(Exception):
    """What a worker says cannot be so; `picture` is the number of the one of which it says it."""

    def __init__(self, what: str, picture: int = 0) -> None:
        super().__init__(what)
        self.picture = picture


@dataclass(frozen=True, slots=True)
class Request:
    """A picture file to decode.

    Attributes
    ----------
    data : bytes
        Content of the file.
    square : bool
        Whether its central square is wanted, as of `images.decode_square`.
    size : int
        Side of the square; else `at_least` of `images.decode`, or 0 for none.
    max_pixels : int
        Refuse a picture that has more.
    put_off : int
        Put off a picture whose decoder holds more pixels at once than this; 0 for none.
    """

    data: bytes
    square: bool
    size: int
    max_pixels: int
    put_off: int = 0


Outcome: TypeAlias = "Picture | ImageError | None"
"""What became of a picture; None where it has not been decoded yet."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of numbers: first what is asked, then, in the same place, what is answered.

    Attributes
    ----------
    state : int
        WAITING and so on.
    numbers : four int
        Asked: square, size, put off, 0. Answered: width and height of the pixels, and of the whole.
    length : int
        Bytes of the file; of the pixels, or of the reason.
    more : int
        `max_pixels` of the request; bytes of the notes, which follow the pixels.
    """

    state: int
    numbers: tuple[int, int, int, int]
    length: int
    more: int = 0

    @classmethod
    def asking(cls, request: Request) -> Row:
        """Return the row of a request."""
        numbers = (int(request.square), request.size, request.put_off, 0)
        return cls(WAITING, numbers, len(request.data), request.max_pixels)

    def packed(self) -> bytes:
        """Return the bytes of the row."""
        return _ROW.pack(self.state, *self.numbers, self.length, self.more)


class SharedFile:
    """A file that both processes have open, read and written at given places.

    Parameters
    ----------
    descriptor : int, optional
        The open file; a new one without a name if not given.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _nameless() if descriptor is None else descriptor

    def write(self, parts: Sequence[Part], at: int) -> None:
        """Write parts one after the other, from the byte `at` on."""
        if hasattr(os, "pwritev"):
            written = os.pwritev(self.descriptor, parts, at)
            if written == sum(map(_size, parts)):
                return
        for part in parts:  # Windows, or more than one call can take
            view = memoryview(part).cast("B")
            while view:
                os.lseek(self.descriptor, at, os.SEEK_SET)
                written = os.write(self.descriptor, view[: 2**30])
                view, at = view[written:], at + written

    def read_into(self, parts: Sequence[bytearray | memoryview], at: int) -> bool:
        """Fill parts one after the other, from the byte `at` on; False if the file ends before."""
        if hasattr(os, "preadv"):
            read = os.preadv(self.descriptor, parts, at)
            if read == sum(map(_size, parts)):
                return True
        for part in parts:  # Windows, or more than one call can give
            view = memoryview(part).cast("B")
            while view:
                os.lseek(self.descriptor, at, os.SEEK_SET)
                piece = os.read(self.descriptor, min(len(view), 2**30))
                if not piece:
                    return False
                view[: len(piece)] = piece
                view, at = view[len(piece) :], at + len(piece)
        return True

    def read(self, count: int, at: int) -> bytes:
        """Return `count` bytes from the byte `at` on; zeros for those behind the end."""
        if hasattr(os, "pread") and len(data := os.pread(self.descriptor, count, at)) == count:
            return data
        part = bytearray(count)
        self.read_into([part], at)
        return bytes(part)

    def rows(self, count: int) -> list[Row]:
        """Return the first rows."""
        data = self.read(count * _ROW.size, 0)
        return [Row(row[0], row[1:5], row[5], row[6]) for row in _ROW.iter_unpack(data)]

    def set_row(self, number: int, row: Row) -> None:
        """Replace a row."""
        self.write([row.packed()], number * _ROW.size)

    def shrink(self) -> None:
        """Give back the memory of the file."""
        os.ftruncate(self.descriptor, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def _size(part: Part) -> int:
    """Return the number of bytes of a part."""
    return memoryview(part).nbytes


def _nameless() -> int:
    """Return the descriptor of a new file without a name, in memory where there are such."""
    in_memory = getattr(os, "memfd_create", None)
    if in_memory is not None:
        return int(in_memory("clr-search-decoding"))
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def ask(shared: SharedFile, requests: Sequence[Request]) -> None:
    """Write the requests of a message into the shared file."""
    rows = b"".join(Row.asking(request).packed() for request in requests)
    padding = bytes(PAYLOAD - len(rows))
    shared.write([rows, padding, *(request.data for request in requests)], 0)


def outcomes(shared: SharedFile, requests: Sequence[Request]) -> list[Outcome]:
    """Read what became of the pictures of a message, trusting nothing that the worker wrote.

    Raises
    ------
    WrongAnswerError
        If the answer is not one to these requests.
    """
    rows = shared.rows(len(requests))
    found: list[Outcome] = []
    parts: list[bytearray | memoryview] = []
    last = 0
    for number, (row, request) in enumerate(zip(rows, requests, strict=True)):
        last = last if row.state == WAITING else number
        if row.state == DONE:
            picture = _checked(number, row, request)
            parts += [picture.pixels.data, bytearray(row.more)]
            found.append(picture)
        elif row.state == REFUSED and row.length <= _LONGEST_TEXT:
            parts.append(bytearray(row.length))
            found.append(None)  # its reason is read below
        elif row.state == LARGE and request.put_off:
            found.append(LargePictureError("it is a large picture, and was put off"))
        elif row.state in (WAITING, WORKING):
            found.append(None)
        else:
            raise WrongAnswerError(f"a picture is in the state {row.state}", number)
    if parts and not shared.read_into(parts, PAYLOAD):
        raise WrongAnswerError("it has fewer pixels than it says", last)
    texts = (_text(part) for part in parts if isinstance(part, bytearray))
    for number, row in enumerate(rows):
        if row.state == REFUSED:
            found[number] = ImageError(next(texts))
        elif isinstance(read := found[number], Picture) and (text := next(texts)):
            found[number] = read._replace(notes=_notes(number, text))
    return found


def working(shared: SharedFile, count: int) -> int | None:
    """Return the number of the picture that a worker has begun and not ended."""
    states = [row.state for row in shared.rows(count)]
    return states.index(WORKING) if WORKING in states else None


def _checked(number: int, row: Row, request: Request) -> Picture:
    """Return an empty picture of the size that a worker claims, if it may have it."""
    across, down, width, height = row.numbers
    if request.square:
        fits = across == down == request.size
    else:
        fits = across <= width and down <= height
        fits = fits and (request.size > 0 or (across, down) == (width, height))
    within = across * down > 0 and 0 < width * height <= request.max_pixels
    if not (fits and within and row.length == across * down * 3 and row.more <= _LONGEST_TEXT):
        said = f"{across} × {down} pixels of {width} × {height}, in {row.length} bytes"
        raise WrongAnswerError(said, number)
    return Picture(np.empty((down, across, 3), np.uint8), width, height)


def _text(data: bytearray) -> str:
    """Return a text without what none has, such as the escapes that terminals follow."""
    text = data.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _notes(number: int, text: str) -> tuple[Note, ...]:
    """Return the notes of a picture as `encoded_notes` has written them."""
    notes = []
    for one in text.split(_BETWEEN):
        kind, _, what = one.partition(":")
        if kind not in _NOTE_KINDS:
            raise WrongAnswerError("it has a note of no kind", number)
        notes.append(Note(_NOTE_KINDS[kind], what))
    return tuple(notes)


def encoded(text: str) -> bytes:
    """Return a reason as a worker writes it."""
    return text.encode("utf-8", "replace")[:_LONGEST_TEXT]


def encoded_notes(notes: Sequence[Note]) -> bytes:
    """Return the notes of a picture as a worker writes them."""
    return encoded(_BETWEEN.join(f"{note.kind}:{note.what}" for note in notes))
