"""The paths that have changed, so that an update need not look at every file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from clr_search.errors import UsageError
from clr_search.files.finding.find import begins_as_picture, walk_images
from clr_search.files.finding.image_file import ImageFile, is_image_name
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import DEFAULT, Selection
from clr_search.index.catalog.paths import absolute, below


class UnsureError(Exception):
    """A changed path may have changed pictures at other paths, so that all must be looked at."""


class Changes:
    """A set of changed paths and all paths below them; the files need not exist any more.

    Parameters
    ----------
    paths : iterable of path
        Absolute paths, in folders that are resolved (without links), as the paths of items are.

    Raises
    ------
    UsageError
        If a path is relative.

    Examples
    --------
    >>> changes = Changes(["/photos/2024"])
    >>> "/photos/2024/beach/a.jpg" in changes, "/photos/2023/b.jpg" in changes
    (True, False)
    """

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._paths = frozenset(str(path) for path in paths)
        self._folders: dict[str, bool] = {}
        for path in self._paths:
            if not os.path.isabs(path):  # noqa: PTH117
                raise UsageError(f"{path} is no absolute path, and may have changed anywhere.")

    def __contains__(self, path: str) -> bool:
        """Whether this absolute path has changed, or lies below a path that has."""
        return path in self._paths or self._inside(path)

    def _inside(self, path: str) -> bool:
        """Whether a path lies below a changed one; cached by folder, since files are many."""
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder == path:
            return False
        if folder not in self._folders:
            self._folders[folder] = folder in self
        return self._folders[folder]

    def images(self, root: str, selection: Selection = DEFAULT) -> list[str]:
        """Returns the images below a folder that have changed, as `find_images` finds them.

        Parameters
        ----------
        root : str
            Absolute path of the folder, without links.
        selection : Selection
            Which files and folders are taken.

        Returns
        -------
        list of str
            Absolute paths of images that exist, in the order of their paths below `root`.

        Raises
        ------
        UnsureError
            If a changed path is a link, symbolic or hard, or a folder that cannot be listed:
            pictures may then have changed elsewhere, or under another name.
        """
        images = sorted(self._images(root, selection), key=attrgetter("relative"))
        return [absolute(root, image.relative) for image in images]

    def _images(self, root: str, selection: Selection) -> Iterator[ImageFile]:
        """Yields the changed images below a folder, in any order."""
        if root in self:
            yield from _walk(root, root, selection)
            return
        for path in self._paths:
            relative = below(path, root)
            if relative and not self._inside(path):
                yield from _at(path, root, relative, selection)


def has_image(
    folder: str, changed: Sequence[str], unchanged: Sequence[str], *, named: bool
) -> bool:
    """Whether a folder has an image, changed or unchanged; if `named`, by the ending of a name."""
    return any(below(path, folder) for path in changed) or any(
        (not named or is_image_name(os.path.basename(path)))  # noqa: PTH119
        and not any(name.startswith(".") for name in relative.split("/"))
        for path in unchanged
        if (relative := below(path, folder))
    )


def _at(path: str, root: str, relative: str, selection: Selection) -> Iterator[ImageFile]:
    """Yields the images at a changed path, which is `relative` below the root, and below it."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UnsureError(path) from error
    is_regular_file = S_ISREG(status.st_mode)
    if S_ISLNK(status.st_mode) or (is_regular_file and status.st_nlink > 1):
        raise UnsureError(path)
    hidden = any(name.startswith(".") for name in relative.split("/"))
    if hidden or selection.excludes_within(relative):
        return
    if S_ISDIR(status.st_mode):
        yield from _walk(path, root, selection)
    elif is_regular_file and (
        is_image_name(relative.rpartition("/")[2])
        or (selection.any_name and begins_as_picture(path))
    ):
        yield ImageFile(Path(root), relative)


def _walk(folder: str, root: str, selection: Selection) -> Iterator[ImageFile]:
    """Yields the images below a folder; raises UnsureError where a link leads to other paths."""
    left_out = LeftOut()
    for image in walk_images(Path(root), left_out, Path(folder), selection):
        if os.stat(image.path).st_nlink > 1:  # noqa: PTH116
            raise UnsureError(image.path)
        yield image
    if left_out.untold:
        raise UnsureError(left_out.untold[0])
