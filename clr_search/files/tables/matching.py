"""Rows of a table of labels find their pictures, however the table spells their paths."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.finding.selection import IMAGE_SUFFIXES
from clr_search.files.names import composed
from clr_search.files.tables.labels import LabelRow, LabelTable


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of pictures by a table, and what of the table found no picture.

    Attributes
    ----------
    labels : list of (str or None), length N
        Label of each picture; None where the table has none.
    unmatched : tuple of LabelRow
        Rows whose picture is not among these.
    ambiguous : tuple of LabelRow
        Rows whose name is that of several pictures; they label none of them.
    """

    labels: list[str | None]
    unmatched: tuple[LabelRow, ...]
    ambiguous: tuple[LabelRow, ...]


def match(table: LabelTable, paths: Iterable[Path | str]) -> Labelled:
    r"""Give pictures the labels of a table.

    A name is taken, in this order, as a path, absolute or relative to the folder of the table; and
    as the end of the path of a picture, a bare name being the shortest. Slashes and backslashes are
    the same, and so are the Unicode forms of a letter; capitals are where only one picture is
    meant. An absolute path that is not of this machine counts from the folder that all such paths
    of the table share. A name without a suffix stands for the picture of that name, where one is.
    A path that leads to a file outside of these pictures is no bare name of one of them.

    Parameters
    ----------
    table : LabelTable
        The table.
    paths : iterable of path
        Absolute paths of the N pictures.

    Raises
    ------
    UsageError
        If two rows give one picture different labels; the message names both lines.

    Examples
    --------
    >>> rows = (LabelRow(2, r"C:\data\a.jpg", "cat"), LabelRow(3, r"C:\data\c.jpg", "dog"))
    >>> found = match(LabelTable(Path("t.csv"), rows, 0, "UTF-8"), ["/photos/a.jpg", "/b.jpg"])
    >>> found.labels, [row.line for row in found.unmatched]
    (['cat', None], [3])
    """
    pictures = _Pictures(table, paths)
    given_by: dict[int, LabelRow] = {}
    unmatched: list[LabelRow] = []
    ambiguous: list[LabelRow] = []
    for row in table.rows:
        found = pictures.named(row.name)
        if len(found) != 1:
            (ambiguous if found else unmatched).append(row)
            continue
        first = given_by.setdefault(found[0], row)
        if first.label != row.label:
            raise UsageError(
                f"{table.path}, line {row.line}, gives {row.name} the label {row.label!r}, but "
                f"line {first.line} gives it {first.label!r}.",
                "Keep one of the two lines.",
            )
    labels = [given_by[at].label if at in given_by else None for at in range(len(pictures))]
    return Labelled(labels, tuple(unmatched), tuple(ambiguous))


class _Pictures:
    """Pictures that are found by the names that a table has for them."""

    def __init__(self, table: LabelTable, paths: Iterable[Path | str]) -> None:
        self._folder = table.path.parent
        self._homes: dict[str, str] = {}  # folders, as the table spells them, without links
        self._paths = [os.fspath(path) for path in paths]
        self._parts = [_parts(path) for path in self._paths]
        self._whole: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        for at, parts in enumerate(self._parts):
            name = parts[-1].casefold()
            self._whole[parts].append(at)
            self._by_name[name].append(at)
            self._by_stem[os.path.splitext(name)[0]].append(at)  # noqa: PTH122
        foreign = [
            tuple(part.casefold() for part in _parts(row.name)[:-1])
            for row in table.rows
            if _is_absolute(row.name) and not self._at(self._absolute(row.name))
        ]
        # The first and the last of sorted paths share what all of them share.
        self._shared = _begins(min(foreign), max(foreign)) if foreign else 0

    def __len__(self) -> int:
        return len(self._parts)

    def named(self, name: str) -> list[int]:
        """Return the positions of the pictures that a name may stand for."""
        path = self._absolute(name)
        found = self._at(path)
        parts = _parts(name)
        if found or not parts or os.path.isfile(path):  # noqa: PTH113
            return found
        # Of a path that is foreign here, the end that differs within the table has to agree.
        least = len(parts) - self._shared if _is_absolute(name) else len(parts)
        last = parts[-1].casefold()
        if last not in self._by_name and os.path.splitext(last)[1] not in IMAGE_SUFFIXES:  # noqa: PTH122
            stems = self._by_stem.get(last, [])
            return self._closest(stems, parts[:-1], least - 1, before=1)
        return self._closest(self._by_name.get(last, []), parts, least, before=0)

    def _at(self, path: str) -> list[int]:
        """Return the positions of the pictures at an absolute path, whatever its Unicode form."""
        found = self._whole.get(_parts(path), [])
        exact = [at for at in found if self._paths[at] == path]
        return exact or found

    def _closest(
        self, found: Sequence[int], parts: tuple[str, ...], least: int, *, before: int
    ) -> list[int]:
        """Return those pictures whose paths agree longest with `parts`, and in `least` at least.

        `before` is the number of last parts of the pictures' paths that have been compared already.
        """
        folded = [part.casefold() for part in parts]
        agreeing: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for at in found:
            own = self._parts[at][: len(self._parts[at]) - before]
            same = _ends([part.casefold() for part in own], folded)
            if same >= least:
                agreeing[same, _ends(own, parts)].append(at)
        return agreeing[max(agreeing)] if agreeing else []

    def _absolute(self, name: str) -> str:
        """Return a path, relative to the folder of the table, as items of a collection have it."""
        folder, last = os.path.split(os.path.join(self._folder, name))  # noqa: PTH118
        if folder not in self._homes:
            try:
                # Not `Path.resolve`, which raises on loops of links up to Python 3.12.
                self._homes[folder] = os.path.realpath(folder)
            except ValueError:  # a null character
                self._homes[folder] = folder
        return os.path.join(self._homes[folder], last)  # noqa: PTH118


def _begins(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many first parts two paths share."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _ends(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many last parts two paths share."""
    return _begins(one[::-1], other[::-1])


def _is_absolute(name: str) -> bool:
    """Return whether a name is an absolute path, of this system or of Windows."""
    return re.match(r"[A-Za-z]:[\\/]|[\\/]", name) is not None


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a path of any system, composed, without drive, ``.`` and ``..``."""
    drive = re.match(r"[A-Za-z]:(?=[\\/])", name)
    parts: list[str] = []
    for part in re.split(r"[\\/]+", name[drive.end() :] if drive else name):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(_legible(part))
    return tuple(parts)


def _legible(name: str) -> str:
    """Return a name composed; of one that is not valid text, the bytes read as Windows-1252 are."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return composed(name)
