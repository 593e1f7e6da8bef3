"""Which of several copies is to be kept: rules that a person gives, and what is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from clr_search import images
from clr_search.analysis.living import LivingFile
from clr_search.errors import ImageError, UsageError
from clr_search.images.formats import kind_of, open_header

RULES = "newest, oldest, largest, path=GLOB or format=NAME"
"""The rules of `Keep.parse`, for messages."""

_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131  # EXIF tags
_DETAILS, _WIDTH = 0x8769, 0xA002
_EDITORS = re.compile(
    "adobe|photoshop|lightroom|gimp|darktable|rawtherapee|capture one|affinity|picasa|snapseed|"
    "imagemagick|luminar|instagram|whatsapp|paint|acdsee|irfanview|xnview",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Keep:
    """A rule on which copy is to be kept.

    Attributes
    ----------
    rule : str
        ``newest``, ``oldest``, ``largest``, ``path`` or ``format``.
    value : str
        The pattern of paths, or the name of the format.
    """

    rule: str
    value: str = ""

    @classmethod
    def parse(cls, given: str) -> Keep:
        """Returns the rule that a text names.

        Raises
        ------
        UsageError
            If there is no such rule.

        Examples
        --------
        >>> Keep.parse("path=*/originals/*")
        Keep(rule='path', value='*/originals/*')
        """
        rule, equals, value = given.partition("=")
        if (rule in ("newest", "oldest", "largest") and not equals) or (
            rule in ("path", "format") and value
        ):
            return cls(rule, value)
        raise UsageError(f"There is no rule {given} of what to keep.", f"Give {RULES}.")

    def rank(self, file: LivingFile, traits: Traits) -> int:
        """Returns a sort key: of two files, the one with the lesser is to be kept."""
        if self.rule == "newest":
            return -file.item.mtime_ns
        if self.rule == "oldest":
            return file.item.mtime_ns
        if self.rule == "largest":
            return -file.item.width * file.item.height
        if self.rule == "format":
            alike = {"jpg": "jpeg", "tif": "tiff", "heif": "heic"}
            name = self.value.lower().lstrip(".")
            return int(traits.kind.lower() != alike.get(name, name))
        paths = (file.item.path.as_posix(), file.item.relative)
        return int(not any(fnmatchcase(path, self.value) for path in paths))


@dataclass(frozen=True, slots=True)
class Traits:
    """What a file is worth beside its size.

    Attributes
    ----------
    kind : str
        Its format, such as ``JPEG``; empty if it cannot be told.
    coloured : bool
        Whether the picture has colours.
    origin : int
        2 for the file of a camera, 1 for one that has EXIF data, 0 for any other.
    """

    kind: str = ""
    coloured: bool = True
    origin: int = 0


def traits_of(path: Path, *, coloured: bool) -> Traits:
    """Returns what a file is worth; one whose header cannot be read is worth least."""
    try:
        data, _ = images.read(path)
        kind = kind_of(data)
        image = open_header(data, kind)
        return Traits(kind, coloured, _origin(image.getexif(), image.size))
    except ImageError:
        return Traits(coloured=coloured)
    except Exception:  # noqa: BLE001 -- readers of damaged EXIF raise anything at all
        return Traits(coloured=coloured)


def _origin(exif: Any, size: tuple[int, int]) -> int:
    """Returns whether EXIF data are those of a camera (2), of something else (1), or none (0).

    An export keeps the name of the camera, but has the name of the program that made it, or
    another width than the one that the camera wrote down.
    """
    if not len(exif):
        return 0
    if not (exif.get(_MAKE) or exif.get(_MODEL)) or _EDITORS.search(str(exif.get(_SOFTWARE, ""))):
        return 1
    width = exif.get_ifd(_DETAILS).get(_WIDTH)
    return 2 if width is None or width in size else 1


def rank(file: LivingFile, traits: Traits, rules: tuple[Keep, ...]) -> tuple[object, ...]:
    """Returns a sort key, the file to be kept first.

    After the given rules: colour before grey, camera before export, EXIF before none, more pixels,
    more bytes, a file before a link to it, and then the older.
    """
    item = file.item
    return (
        *(rule.rank(file, traits) for rule in rules),
        not traits.coloured,
        -traits.origin,
        -item.width * item.height,
        -item.size,
        file.link,
        item.mtime_ns,
        str(item.path),
    )


def why_kept_too(kept: LivingFile, kept_traits: Traits, file: LivingFile, traits: Traits) -> str:
    """Returns in what a file is better than the one to be kept; empty if in nothing."""
    if traits.coloured and not kept_traits.coloured:
        return "it has colours"
    if traits.origin > kept_traits.origin:
        return "it has EXIF data" if traits.origin == 1 else "it is from a camera"
    if file.item.width * file.item.height > kept.item.width * kept.item.height:
        return "it is larger"
    return ""
