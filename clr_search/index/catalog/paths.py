"""Absolute paths as strings, and where they lie below a root.

Strings and not `Path`, since an update compares every file of a collection: a million `Path`s take
seconds to make and hundreds of megabytes to keep.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG


def absolute(root: str, relative: str) -> str:
    """Path of an item: `relative` has forward slashes on every system."""
    local = relative if os.sep == "/" else relative.replace("/", os.sep)
    return root + local if root.endswith(os.sep) else f"{root}{os.sep}{local}"


def below(path: str, folder: str) -> str | None:
    """Path relative to a folder, with forward slashes; "" for the folder itself, None outside."""
    if path == folder:
        return ""
    prefix = folder if folder.endswith(os.sep) else folder + os.sep
    if not path.startswith(prefix):
        return None
    local = path[len(prefix) :]
    return local if os.sep == "/" else local.replace(os.sep, "/")


class PathSet:
    """A set of absolute paths that tells which of them a path is, or lies below.

    Remembered by folder, as files are many: the time does not grow with the number of places.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._folders: dict[str, frozenset[str]] = {}

    def containing(self, path: str) -> frozenset[str]:
        """Returns the paths of the set that are this path, or folders that it lies in."""
        folder = os.path.dirname(path)  # noqa: PTH120 -- a million of them
        if folder == path:  # the root
            return self._paths & {path}
        if folder not in self._folders:
            self._folders[folder] = self.containing(folder)
        found = self._folders[folder]
        return found | {path} if path in self._paths else found


def is_missing(path: str) -> bool:
    """Whether there is certainly no file; one that merely cannot be looked at now is not gone."""
    try:
        return not S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 -- a million of them
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def folder_identity(folder: str) -> tuple[int, int] | None:
    """What tells a folder from another one that has taken its place, as when a disk is unmounted.

    None where there is no folder, or it cannot be looked at.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if S_ISDIR(status.st_mode) else None


def canonical(path: Path | str) -> str:
    """Absolute path as items have it: the folder resolved, a link at the end left as it is.

    By `realpath`, since `Path.resolve` raises where links lead round in a circle.
    """
    path = Path(path)
    if path.name in ("", "..") or path.is_dir():
        return os.path.realpath(path)
    return str(Path(os.path.realpath(path.parent)) / path.name)


class KnownFolders:
    """Folders under the spelling by which they are known.

    Where case does not count, or a folder is mounted twice, one folder has several paths that do
    not resolve to each other, and its pictures would come in under each.

    Parameters
    ----------
    folders : iterable of str
        Those that are known; they and the folders around them keep their spelling.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._known: set[str] = set()
        self._unseen: list[str] = []  # known, but not looked at: mostly nobody has to
        self._by_identity: dict[tuple[int, int], str] = {}
        for folder in folders:
            self._learn(folder)

    def of(self, folder: str) -> str:
        """A folder, an absolute path, by the known spelling; from now on it is known itself."""
        spelt = folder
        for path in _upwards(folder):
            if path in self._known:
                break
            if same := self._same(path):
                way = below(folder, path)
                spelt = absolute(same, way) if way else same
                break
        self._learn(spelt)
        return spelt

    def _learn(self, folder: str) -> None:
        new = [path for path in _upwards(folder) if path not in self._known]
        self._known.update(new)
        self._unseen += new

    def _same(self, path: str) -> str | None:
        """The known folder that is this one."""
        for known in self._unseen:
            if found := folder_identity(known):
                self._by_identity.setdefault(found, known)
        self._unseen.clear()
        which = folder_identity(path)
        return self._by_identity.get(which) if which else None


def _upwards(folder: str) -> Iterator[str]:
    """A folder, and all those around it."""
    yield folder
    while (parent := os.path.dirname(folder)) != folder:  # noqa: PTH120
        folder = parent
        yield folder
