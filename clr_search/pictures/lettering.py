"""Text in pictures is measured, shortened, and set in a font that contains its letters.

Text is set in the font that comes with Pillow, so that a picture looks the same on all systems.
Names with letters that it lacks are set in an installed font that contains them, if there is one.
"""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

PAPER, CARD, RULE = "#ffffff", "#eef0f3", "#d9dde3"
"""Colours of the background, of the card behind a picture, and of dividing lines."""

INK, MUTED = "#16191d", "#5f6873"
"""Colours of text, and of text that matters less."""

ACCENT, GOOD, BAD = "#1f4fd1", "#08734d", "#b93a0a"
"""Colours of headings and queries, of right results and of wrong ones."""

_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "segoeui.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "malgun.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
)
"""Font files of Linux, Windows and macOS; those for European letters stand before Asian ones."""


def write(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, colour: str
) -> None:
    """Write a line of text, `size` pixels high, with its upper left corner at `corner` (x, y)."""
    if text:
        text, font = _set(text, size)
        draw.text(corner, text, fill=colour, font=font)


def length(text: str, size: int) -> int:
    """Return the width in pixels of a line of text that is `size` pixels high.

    Examples
    --------
    >>> length("", 12), length("wide", 12) > length("ill", 12)
    (0, True)
    """
    text, font = _set(text, size)
    return math.ceil(font.getlength(text))


def shortened(text: str, size: int, width: int) -> str:
    """Shorten text to at most `width` pixels.

    The middle is left out, as the names of files mostly differ at their ends. Any white space
    becomes a single blank.

    Examples
    --------
    >>> shortened("IMG_2024_holiday_0017.jpg", 12, 117)
    'IMG_2024...0017.jpg'
    """
    text = " ".join(text.split())
    if length(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # Bisection finds the most characters that fit.
        keep = (low + high + 1) // 2
        if length(_cut(text, keep), size) <= width:
            low = keep
        else:
            high = keep - 1
    return _cut(text, low)


def _cut(text: str, keep: int) -> str:
    """Return the first and the last characters of a text, `keep` in all, with dots between."""
    return f"{text[: (keep + 1) // 2]}...{text[len(text) - keep // 2 :]}"


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Break text between words into lines of at most `width` pixels; longer words are shortened.

    Examples
    --------
    >>> wrapped("the file is empty", 12, 60)
    ['the file is', 'empty']
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and length(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, size, width))
    return lines


def _set(text: str, size: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """Return a text as the best font can set it, and that font.

    The best font is the one that lacks the fewest of the characters.
    """
    text = unicodedata.normalize("NFC", text)
    own = _own_font(size)
    if text.isascii():
        return text, own
    fonts = [own, *filter(None, (_font(name, size) for name in _SYSTEM_FONTS))]
    best = min(fonts, key=lambda font: sum(not _has(font, letter) for letter in text))
    return "".join(_nearest(best, letter) for letter in text), best


@lru_cache(maxsize=64)
def _own_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that comes with Pillow, `size` pixels high."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow gives no other where a size is asked"
    return font


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    """Return an installed font by its file name; None if the system does not have it."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Return whether a font contains a letter."""
    if letter.isspace():
        return True
    # Fonts draw one and the same shape, mostly a box, for all letters that they lack; U+FFFF is no
    # letter, so that every font lacks it.
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _nearest(font: ImageFont.FreeTypeFont, letter: str) -> str:
    """Return a letter, or the one without its accent if the font contains only that."""
    plain = unicodedata.normalize("NFKD", letter)[:1]
    return plain if not _has(font, letter) and _has(font, plain) else letter
