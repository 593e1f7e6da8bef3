"""Classes of pictures, by which a map is coloured: a code for each picture, and their names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

MOST = 254
"""Largest number of classes with a colour; nobody tells more apart."""

OTHER = 255
"""Code of pictures of no class, or of one that is too small to have a colour."""


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """What class each picture is of.

    Attributes
    ----------
    names : tuple of str
        Names of the classes, those with the most pictures first.
    counts : tuple of int
        How many pictures each has.
    codes : uint8 array (n,)
        The position of the class of each picture; `OTHER` for none.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    codes: NDArray[np.uint8]


def by_label(labels: Sequence[str | None]) -> Classes:
    """Return the classes of pictures with these labels.

    Examples
    --------
    >>> classes = by_label(["rose", None, "oak", "rose"])
    >>> classes.names, classes.counts, classes.codes.tolist()
    (('rose', 'oak'), (2, 1), [0, 255, 1, 0])
    """
    counts = Counter(label for label in labels if label)
    most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST]
    code = {name: number for number, (name, _) in enumerate(most)}
    codes = np.array([code.get(label or "", OTHER) for label in labels], np.uint8)
    return Classes(tuple(code), tuple(count for _, count in most), codes)


def by_folder(paths: Sequence[str]) -> Classes:
    """Return the classes of pictures in the folders of these paths.

    The part that all have in common is left out; and where there are too many folders, those above
    them are taken.

    Examples
    --------
    >>> by_folder(["/photos/2023/a.jpg", "/photos/2024/b.jpg", "/photos/2024/c.jpg"]).names
    ('2024', '2023')
    """
    folders = [os.path.dirname(path) for path in paths]  # noqa: PTH120 -- a Path takes far longer
    distinct = set(folders)
    try:
        above = os.path.commonpath(list(distinct)) if distinct else ""
    except ValueError:  # on different drives
        above = ""
    parts = {folder: _below(folder, above) for folder in distinct}
    depth = max((len(inner) for inner in parts.values()), default=0)
    while depth > 1 and len({inner[:depth] for inner in parts.values()}) > MOST:
        depth -= 1
    last = os.path.basename(above) or above  # noqa: PTH119
    names = {folder: "/".join(inner[:depth]) or last for folder, inner in parts.items()}
    return by_label([names[folder] for folder in folders])


def _below(folder: str, above: str) -> tuple[str, ...]:
    """Return the names of the folders from one above down to a folder."""
    inner = os.path.relpath(folder, above) if above else folder
    return PurePath(inner).parts
