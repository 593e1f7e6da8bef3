"""The files of items as they are now: gone, changed since they were indexed, or as they were."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from clr_search.files.write import sha256_file
from clr_search.index.catalog.records import Item
from clr_search.index.sync.survey import status_of


@dataclass(frozen=True, slots=True)
class LivingFile:
    """A file that exists now.

    Attributes
    ----------
    item : Item
        The item at whose path it lies.
    identity : tuple of int
        Device and number of the file, the same for all of its names.
    link : bool
        Whether the path is a symbolic link.
    """

    item: Item
    identity: tuple[int, int]
    link: bool

    @classmethod
    def of(cls, item: Item) -> LivingFile | None:
        """Returns the file at the path of an item; None if there is none that can be reached."""
        status = status_of(str(item.path))
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        return cls(item, (status.st_dev, status.st_ino), os.path.islink(item.path))  # noqa: PTH114


def is_as_indexed(item: Item) -> bool:
    """Whether the file of an item exists now, and has the bytes that were indexed.

    The whole file is read: size and time alone do not prove what is in it.
    """
    status = status_of(str(item.path))
    if status is None or status.st_size != item.size:
        return False
    try:
        return sha256_file(item.path) == item.sha256
    except OSError:
        return False
