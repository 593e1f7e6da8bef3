"""Functions on absolute paths as strings, and on paths relative to a root.

They take strings and not `Path`, since an update compares every file of a collection: a million
`Path`s take seconds to make and hundreds of megabytes of memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG


def absolute(root: str, relative: str) -> str:
    """Returns the absolute path of an item; `relative` has forward slashes on every system.

    Examples
    --------
    ::

        absolute("/photos", "roses/1.jpg")  # "/photos/roses/1.jpg" on Linux
    """
    local = relative if os.sep == "/" else relative.replace("/", os.sep)
    return root + local if root.endswith(os.sep) else f"{root}{os.sep}{local}"


def below(path: str, folder: str) -> str | None:
    """Returns a path relative to a folder, with forward slashes on every system.

    The folder itself gives "", and a path outside it gives None.

    Examples
    --------
    >>> folder = os.path.join(os.sep, "photos")
    >>> below(os.path.join(folder, "roses", "1.jpg"), folder)
    'roses/1.jpg'
    >>> below(folder + "-old", folder) is None
    True
    """
    if path == folder:
        return ""
    prefix = folder if folder.endswith(os.sep) else folder + os.sep
    if not path.startswith(prefix):
        return None
    local = path[len(prefix) :]
    return local if os.sep == "/" else local.replace(os.sep, "/")


class PathSet:
    """A set of absolute paths that tells which of them a path is, or lies below.

    Results are cached by folder, so that the time for each of many files does not grow with the
    size of the set.

    Examples
    --------
    >>> paths = PathSet(["/photos/roses", "/photos/tulips"])
    >>> sorted(paths.containing("/photos/roses/1.jpg"))
    ['/photos/roses']
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._folders: dict[str, frozenset[str]] = {}

    def containing(self, path: str) -> frozenset[str]:
        """Returns those paths of the set that are this path, or folders that it lies in."""
        folder = os.path.dirname(path)  # noqa: PTH120 -- a million of them
        if folder == path:  # the root of the file system has no folder above it
            return self._paths & {path}
        if folder not in self._folders:
            self._folders[folder] = self.containing(folder)
        matches = self._folders[folder]
        return matches | {path} if path in self._paths else matches


def is_missing(path: str) -> bool:
    """Returns whether there is certainly no file; one that cannot be read now is not missing.

    Examples
    --------
    >>> is_missing("no such file.jpg")
    True
    """
    try:
        return not S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 -- a million of them
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def folder_identity(folder: str) -> tuple[int, int] | None:
    """Returns device and inode of a folder; None where there is none, or it cannot be read.

    They differ where another folder has taken its place, as when a disk is unmounted.

    Examples
    --------
    >>> folder_identity("no such folder") is None
    True
    """
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if S_ISDIR(status.st_mode) else None


def file_identity(path: Path) -> tuple[int, int] | None:
    """Returns device and inode of a file; None where there is none, or it cannot be seen.

    Examples
    --------
    >>> file_identity(Path("no such file")) is None
    True
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def canonical(path: Path | str) -> str:
    """Returns an absolute path in the form that items have.

    Links among the folders are resolved, a link that is the file itself is not. `realpath` does
    it, since `Path.resolve` raises an error where links form a circle.

    Examples
    --------
    >>> canonical("1.jpg") == str(Path(os.path.realpath(".")) / "1.jpg")
    True
    """
    path = Path(path)
    if path.name in ("", "..") or path.is_dir():
        return os.path.realpath(path)
    return str(Path(os.path.realpath(path.parent)) / path.name)


class KnownFolders:
    """A set of folders that gives each folder the spelling by which it is known already.

    Where case does not count, or a folder is mounted twice, one folder has several paths that do
    not resolve to each other, and its pictures would be added under each of them.

    Parameters
    ----------
    folders : iterable of str
        Absolute paths of the known folders; they and the folders above them keep their spelling.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._known: set[str] = set()
        self._unseen: list[str] = []  # known folders whose identity was not needed yet
        self._by_identity: dict[tuple[int, int], str] = {}
        for folder in folders:
            self._learn(folder)

    def of(self, folder: str) -> str:
        """Returns a folder, an absolute path, by its known spelling, and adds it to the set."""
        spelt = folder
        for path in _upwards(folder):
            if path in self._known:
                break
            if same := self._same(path):
                relative = below(folder, path)
                spelt = absolute(same, relative) if relative else same
                break
        self._learn(spelt)
        return spelt

    def _learn(self, folder: str) -> None:
        """Adds a folder and those above it to the known ones."""
        new = [path for path in _upwards(folder) if path not in self._known]
        self._known.update(new)
        self._unseen += new

    def _same(self, path: str) -> str | None:
        """Returns the known spelling of the folder at this path; None where it is not known."""
        for known in self._unseen:
            if known_identity := folder_identity(known):
                self._by_identity.setdefault(known_identity, known)
        self._unseen.clear()
        identity = folder_identity(path)
        return self._by_identity.get(identity) if identity else None


def _upwards(folder: str) -> Iterator[str]:
    """Yields a folder, and then all folders above it."""
    yield folder
    while (parent := os.path.dirname(folder)) != folder:  # noqa: PTH120
        folder = parent
        yield folder
