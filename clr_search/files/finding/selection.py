"""`Selection`: which files and folders a search takes; and how a file tells its format."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from fnmatch import translate
from functools import lru_cache

from clr_search.files.names import composed

IMAGE_SUFFIXES = frozenset(
    ".apng .avif .bmp .gif .heic .heif .hif .jfif .jif .jpe .jpeg .jpg .jps .mpo .png .tif .tiff "
    ".webp".split()
)
"""Suffixes, in lower case, of the file names that a search of a folder takes for images."""

EXCLUDED = (
    "@eaDir",  # thumbnails of a Synology
    "#recycle",
    "#snapshot",
    "@Recycle",  # QNAP
    "$RECYCLE.BIN",
    "System Volume Information",
    ".thumbnails",
    "__MACOSX",  # shadows of files in archives of a Mac
    "*.photoslibrary/resources",  # smaller versions of the originals beside them
    "*.lrdata",  # previews of Lightroom
)
"""Patterns of the files and folders that are left out unless a selection says otherwise."""

HEAD = 64
"""First bytes of a file by which `format_of` tells its format."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    # Known, so that the reason can name them, but not read:
    (b"%PDF", "PDF"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
)

_ISO_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"
)

_PICTURES = {"JPEG", "PNG", "GIF", "WebP", "TIFF", "AVIF", "HEIC"}


def format_of(head: bytes) -> str:
    """Returns the name of the format that a file begins like; empty where none is known.

    Examples
    --------
    >>> format_of(b"GIF89a"), format_of(b"hello")
    ('GIF', '')
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _iso_format(head)
    return next((name for magic, name in _SIGNATURES if head.startswith(magic)), "")


def is_picture(head: bytes) -> bool:
    """Returns whether a file that begins so is a picture, whatever its name.

    Of two letters, as a BMP begins with, nobody can tell.

    Examples
    --------
    >>> is_picture(b"GIF89a"), is_picture(b"BMW is a car")
    (True, False)
    """
    return format_of(head) in _PICTURES


def _iso_format(head: bytes) -> str:
    """AVIF, HEIC or a film: by the major brand, or where that is generic, by the others."""
    end = min(max(int.from_bytes(head[:4], "big"), 12), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    kinds = [_ISO_BRANDS[brand] for brand in brands if brand in _ISO_BRANDS]
    if "AVIF" in kinds:
        return "AVIF"
    return "HEIC" if kinds else "MP4"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files and folders a search of a folder takes.

    Attributes
    ----------
    exclude : tuple of str
        Patterns with ``*``, ``?`` and ``[…]`` of what is left out: of the name of a file or folder,
        or with a slash of the end of its path. Case counts.
    follow_links : bool
        Whether symbolic links are followed that lead out of the folder.
    any_name : bool
        Whether files are taken that are pictures by their content, whatever their names end in.

    Examples
    --------
    >>> Selection().excludes("2024/@eaDir"), Selection(("raw/*",)).excludes("2024/raw/1.jpg")
    (True, True)
    """

    exclude: tuple[str, ...] = EXCLUDED
    follow_links: bool = False
    any_name: bool = False

    def excludes(self, relative: str) -> bool:
        """Returns whether a file or folder at this path below the root is left out by itself."""
        path = composed(relative)
        names, paths = _compiled(self.exclude)
        excluded = names.match(path.rpartition("/")[2]) or paths.match("/" + path)
        return excluded is not None

    def excludes_within(self, relative: str) -> bool:
        """Returns whether a path is left out, or lies in a folder that is."""
        parts = relative.split("/")
        return any(self.excludes("/".join(parts[: at + 1])) for at in range(len(parts)))

    def to_json(self) -> str:
        """Returns the selection as a collection keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Selection:
        """Returns what `to_json` has written; raises ValueError of anything else."""
        kept = json.loads(text)
        if not isinstance(kept, dict) or kept.keys() != {"exclude", "follow_links", "any_name"}:
            raise ValueError(text)
        exclude = kept["exclude"]
        if not isinstance(exclude, list) or not all(isinstance(one, str) for one in exclude):
            raise ValueError(text)
        return cls(tuple(exclude), bool(kept["follow_links"]), bool(kept["any_name"]))


@lru_cache(maxsize=16)
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns one pattern of names, and one of paths, since a million names are compared."""
    composed_ones = [composed(pattern) for pattern in patterns]
    of_names = [translate(one) for one in composed_ones if "/" not in one]
    of_paths = [translate(f"*/{one}") for one in composed_ones if "/" in one]
    return _any_of(of_names), _any_of(of_paths)


def _any_of(expressions: list[str]) -> re.Pattern[str]:
    """Returns the pattern that matches what any of these does; nothing where there is none."""
    return re.compile("|".join(expressions) or r"(?!)")


DEFAULT = Selection()
"""The selection of a new collection, and of commands without one."""


def excluding(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the patterns that a person has given after those of `EXCLUDED`; ``none`` drops these.

    Examples
    --------
    >>> excluding(("raw",))[-1], excluding(("none",)), excluding(("none", "raw"))
    ('raw', (), ('raw',))
    """
    given = tuple(pattern for pattern in patterns if pattern != "none")
    return given if "none" in patterns else EXCLUDED + given
