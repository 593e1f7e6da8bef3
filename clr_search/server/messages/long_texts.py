"""Long texts are taken out of a JSON body before it is parsed: pictures in base64, nearly always.

A JSON parser and a decoder of base64 each work in one call, during which no other thread of Python
runs: with a body of 60 MB nobody else was answered for a second. A text is found by its quotes
instead, which takes a hundredth of the time, and is decoded piece by piece. What is parsed holds a
short text in its place, by which `LongTexts` knows it again.
"""

from __future__ import annotations

import base64
from http import HTTPStatus

import numpy as np

from clr_search.web.problems import Problem

LONG = 2**15
"""Bytes beyond which a text is taken out; those of a filter are shorter, however escaped."""

MOST_BESIDE = 8 * 2**20
"""Largest size in bytes of what is left of a JSON body; the longest vector takes a quarter."""

MOST_OF_HEAD = 256
"""Most characters of what comes before the base64 in a data URL."""

_MOST_TEXTS = 2**15  # Bound on the texts of a body: twice as many as its lists of pictures hold.
_MOST_QUOTES = 2**17  # Bound on the quotes within a text.
_PIECE = 2**18  # Bytes that are decoded in one call, a multiple of 4.
_BACKSLASHES = 1024  # Bound on those before a quote.

# No base64 begins so, and it is longer than a text of a filter may be.
_STAND_IN = "=" * 5000 + "#"


class LongTexts:
    """The long texts of one body, and the files of a form, each with a text that stands for it.

    Examples
    --------
    >>> texts = LongTexts()
    >>> texts.content(texts.add(b"aGVsbG8=", encoded=True)), texts.content("d29ybGQ=")
    (b'hello', b'world')
    """

    def __init__(self) -> None:
        self._held: list[tuple[bytes | memoryview, bool]] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, data: bytes | memoryview, *, encoded: bool) -> str:
        """Hold the base64 of a file, or the file itself, and return the text that stands for it."""
        self._held.append((data, encoded))
        return f"{_STAND_IN}{len(self._held) - 1}"

    def taken_out(self, body: bytes | bytearray) -> bytes:
        """Return a JSON body with other texts in the place of the long ones.

        Raises
        ------
        Problem
            If there are too many texts, or too much is left beside the long ones (413).
        """
        if len(body) <= _PIECE:
            return bytes(body)
        # Each text has two quotes, of which neither follows a backslash; they are soon counted.
        if occurrences(body, b'"') - body.count(b'\\"') > 2 * _MOST_TEXTS:
            raise _too_much(f"The JSON has more than {_MOST_TEXTS:,} texts.")
        parts: list[bytes | bytearray] = []
        copied, count, start = 0, 0, body.find(b'"')
        while start >= 0 and (end := _end(body, start + 1)) >= 0:
            if end - start > LONG:
                stand_in = self.add(memoryview(body)[start + 1 : end], encoded=True)
                parts += (body[copied : start + 1], stand_in.encode())
                copied = end
            count += 1
            if count > _MOST_TEXTS:
                raise _too_much(f"The JSON has more than {_MOST_TEXTS:,} texts.")
            start = body.find(b'"', end + 1)
        if sum(map(len, parts)) + len(body) - copied > MOST_BESIDE:
            raise _too_much(f"The JSON has more than {MOST_BESIDE:,} bytes beside its pictures.")
        return b"".join([*parts, body[copied:]])

    def content(self, text: str) -> bytes:
        """Return the file of a text: base64, or one that stands for a long text.

        Raises
        ------
        ValueError
            If it is no base64.
        """
        if not text.startswith(_STAND_IN):
            return base64.b64decode(text, validate=True)
        data, encoded = self._of(text)
        return _decoded(data) if encoded else bytes(data)

    def head(self, text: str) -> str:
        """Return the beginning of a text, or of the long text that it stands for, to a comma.

        It is at most `MOST_OF_HEAD` characters long, and then without a comma.
        """
        if text.startswith(_STAND_IN):
            text = bytes(self._of(text)[0][:MOST_OF_HEAD]).decode("utf-8", "replace")
        before, comma, _ = text[:MOST_OF_HEAD].partition(",")
        return before + comma

    def content_after(self, head: str, text: str) -> bytes:
        """Return the file whose base64 follows a `head` in a text.

        Raises
        ------
        ValueError
            If it is no base64.
        """
        if not text.startswith(_STAND_IN):
            return base64.b64decode(text[len(head) :], validate=True)
        return _decoded(self._of(text)[0][len(head.encode()) :])

    def _of(self, text: str) -> tuple[bytes | memoryview, bool]:
        """Return what a text stands for, and whether that is base64."""
        number = int(text.removeprefix(_STAND_IN)[:9])
        if not 0 <= number < len(self._held):
            raise ValueError("no such text")
        return self._held[number]


def occurrences(body: bytes | bytearray, character: bytes) -> int:
    """Return how often a character of one byte occurs.

    With a long body other threads run meanwhile, and where the character occurs often, it takes a
    tenth of what `bytes.count` takes.

    Examples
    --------
    >>> occurrences(b"[1,2,3]", b",")
    2
    """
    if len(body) < _PIECE:
        return body.count(character)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(character)))


def _end(body: bytes | bytearray, start: int) -> int:
    """Return the place of the quote that ends a text which begins at `start`; -1 for none."""
    place = body.find(b'"', start)
    for _ in range(_MOST_QUOTES):
        if place < 0:
            return -1
        if body[place - 1] != 0x5C or place == start:  # a backslash
            return place
        before = body[max(start, place - _BACKSLASHES) : place]
        backslashes = len(before) - len(before.rstrip(b"\\"))
        if backslashes == _BACKSLASHES:
            raise _too_much("A text of the JSON has too many backslashes.")
        if backslashes % 2 == 0:
            return place
        place = body.find(b'"', place + 1)
    raise _too_much("A text of the JSON has too many quotes.")


def _decoded(data: bytes | memoryview) -> bytes:
    r"""Decode base64, in which JSON may write ``/`` as ``\/``, piece by piece."""
    decoded = bytearray()
    rest = b""
    for start in range(0, len(data), _PIECE):
        piece = rest + bytes(data[start : start + _PIECE])
        last = start + _PIECE >= len(data)
        half = not last and piece.endswith(b"\\")  # of an escape
        whole = (piece[:-1] if half else piece).replace(b"\\/", b"/")
        cut = len(whole) if last else len(whole) - len(whole) % 4
        if not last and b"=" in whole:
            raise ValueError("padding before the end")
        decoded += base64.b64decode(whole[:cut], validate=True)
        rest = whole[cut:] + (b"\\" if half else b"")
    return bytes(decoded)


def _too_much(detail: str) -> Problem:
    """Return the refusal of a body that holds too much."""
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
