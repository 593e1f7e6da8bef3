"""Text in pictures: measuring, shortening, and a font that has its letters.

Text is set in Pillow's own font, so that a picture looks the same everywhere; names in letters that
it lacks are set in a font of the system, where one has them.
"""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

PAPER, CARD, RULE = "#ffffff", "#eef0f3", "#d9dde3"
INK, MUTED = "#16191d", "#5f6873"
ACCENT, GOOD, BAD = "#1f4fd1", "#08734d", "#b93a0a"

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
"""On Linux, Windows and macOS: letters of Europe first, then those of Asia."""


def write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str
) -> None:
    """Write a line with its upper left corner at `place`; `size` in pixels."""
    if text:
        text, font = _set(text, size)
        draw.text(place, text, fill=colour, font=font)


def length(text: str, size: int) -> int:
    """Width of a line in pixels."""
    text, font = _set(text, size)
    return math.ceil(font.getlength(text))


def shortened(text: str, size: int, width: int) -> str:
    """Text that fits: its middle gives way, since names differ at their ends."""
    text = " ".join(text.split())
    if length(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the most characters that fit
        keep = (low + high + 1) // 2
        if length(_cut(text, keep), size) <= width:
            low = keep
        else:
            high = keep - 1
    return _cut(text, low)


def _cut(text: str, keep: int) -> str:
    return f"{text[: (keep + 1) // 2]}...{text[len(text) - keep // 2 :]}"


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Text in lines that fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and length(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, size, width))
    return lines


def _set(text: str, size: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """The text as it can be set, and the font: the one that lacks the fewest of its characters."""
    text = unicodedata.normalize("NFC", text)
    own = _own_font(size)
    if text.isascii():
        return text, own
    fonts = [own, *filter(None, (_font(name, size) for name in _SYSTEM_FONTS))]
    best = min(fonts, key=lambda font: sum(not _has(font, letter) for letter in text))
    return "".join(_nearest(best, letter) for letter in text), best


@lru_cache(maxsize=64)
def _own_font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow gives no other where a size is asked"
    return font


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    if letter.isspace():
        return True
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _nearest(font: ImageFont.FreeTypeFont, letter: str) -> str:
    """A letter, or the one it is made of, where the font lacks only its accent."""
    plain = unicodedata.normalize("NFKD", letter)[:1]
    return plain if not _has(font, letter) and _has(font, plain) else letter
