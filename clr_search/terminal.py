r"""What a terminal may be told: text without the characters that a terminal obeys.

Names of files, labels and the cards of models come from others. A terminal that prints them would
follow the control sequences in them: they can hide or forge lines, change its title, or type into
its input. So all that this package prints passes through `escaping`: stderr always, as it is for
people, and stdout where it is a terminal. To another program names go as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

_LINES = r"\t\n"
_OBEYED = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, those of one byte beyond ASCII as well
    r"\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # direction of text, and line ends
    r"\ud800-\udfff"  # bytes that are no text
)
_IN_TEXT = re.compile(f"[{_OBEYED}]")
_IN_LINE = re.compile(f"[{_LINES}{_OBEYED}]")


def printable(text: str, *, lines: bool = True) -> str:
    r"""Return a text with every character that a terminal obeys as an escape that it prints.

    Parameters
    ----------
    text : str
        Any text.
    lines : bool
        Whether line ends and tabs stay as they are.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb.jpg"))
    a\x1b[2Jb.jpg
    >>> print(printable("rose\n.jpg", lines=False))
    rose\n.jpg
    """
    return (_IN_TEXT if lines else _IN_LINE).sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    """Return the escape of one character; a byte that is no text as that byte."""
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return {9: "\\t", 10: "\\n"}.get(number) or (
        f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
    )


class Escaping:
    """A text stream that writes everything `printable` to another one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        self.stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # Bytes would pass unseen.
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextmanager
def escaping() -> Iterator[None]:
    """Let stderr, and stdout where it is a terminal, print no control characters meanwhile."""
    before = sys.stdout, sys.stderr
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout = cast("TextIO", Escaping(raw(sys.stdout)))
    if sys.stderr is not None:
        sys.stderr = cast("TextIO", Escaping(raw(sys.stderr)))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw(stream: TextIO) -> TextIO:
    """Return the stream behind an `Escaping` one, for styles; all other text is `printable`.

    Examples
    --------
    >>> raw(sys.stdout) is sys.stdout
    True
    """
    return stream.stream if isinstance(stream, Escaping) else stream
