"""Where something has happened, so that an update need not look at everything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from clr_search.errors import UsageError
from clr_search.files.find import ImageFile, is_image_name, walk_images
from clr_search.files.left_out import LeftOut
from clr_search.index.catalog.paths import absolute, below


class UnsureError(Exception):
    """What happened at these places may have changed pictures at others."""


class Changes:
    """A set of changed paths, and all that lies below them; they need not exist any more.

    Parameters
    ----------
    paths : iterable of path
        Absolute; their folders resolved, as those of items are.

    Raises
    ------
    UsageError
        If one of them is relative.
    """

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._paths = frozenset(str(path) for path in paths)
        self._folders: dict[str, bool] = {}
        for path in self._paths:
            if not os.path.isabs(path):  # noqa: PTH117
                raise UsageError(f"{path} is no absolute path, and may have changed anywhere.")

    def __contains__(self, path: str) -> bool:
        return path in self._paths or self._inside(path)

    def _inside(self, path: str) -> bool:
        """Whether it lies below one of the places; remembered by folder, as files are many."""
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder == path:
            return False
        if folder not in self._folders:
            self._folders[folder] = folder in self
        return self._folders[folder]

    def images(self, root: str) -> list[str]:
        """Paths of the images at these places and below a folder, as `find_images` finds them.

        Raises
        ------
        UnsureError
            If there are links, symbolic or hard, or folders that cannot be looked at: then pictures
            may have changed elsewhere, or under another name.
        """
        found = sorted(self._images(root), key=attrgetter("relative"))
        return [absolute(root, image.relative) for image in found]

    def _images(self, root: str) -> Iterator[ImageFile]:
        if root in self:
            yield from _walk(root, root)
            return
        for path in self._paths:
            way = below(path, root)
            if way and not self._inside(path):
                yield from _at(path, root, way)


def _at(path: str, root: str, way: str) -> Iterator[ImageFile]:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UnsureError(path) from error
    single = S_ISREG(status.st_mode)
    if S_ISLNK(status.st_mode) or (single and status.st_nlink > 1):
        raise UnsureError(path)
    if any(part.startswith(".") for part in way.split("/")):
        return
    if S_ISDIR(status.st_mode):
        yield from _walk(path, root)
    elif single and is_image_name(way.rpartition("/")[2]):
        yield ImageFile(Path(root), way)


def _walk(folder: str, root: str) -> Iterator[ImageFile]:
    left_out = LeftOut()
    for image in walk_images(Path(root), left_out, Path(folder)):
        if os.stat(image.path).st_nlink > 1:  # noqa: PTH116
            raise UnsureError(image.path)
        yield image
    if left_out.untold:
        raise UnsureError(left_out.untold[0])
