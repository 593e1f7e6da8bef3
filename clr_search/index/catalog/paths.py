"""Functions on absolute paths as strings, and on paths relative to a root.

They take strings and not `Path`, since an update compares every file of a collection: a million
`Path`s take seconds to make and hundreds of megabytes of memory.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeVar

from clr_search.files.finding.image_file import label_of
from clr_search.files.names import composed
from clr_search.files.stores.address import ObjectPath, is_address, located
from clr_search.index.catalog.sqlite.database import plain, text

_AT_ONCE = 16  # objects that a store is asked for at the same time
_PART = 1024  # objects that are asked for before the first answer is used

_Result = TypeVar("_Result")


def absolute(root: str, relative: str) -> str:
    """Returns the absolute path of an item; `relative` has forward slashes on every system.

    Examples
    --------
    ::

        absolute("/photos", "roses/1.jpg")  # "/photos/roses/1.jpg" on Linux
    """
    if is_address(root):
        return f"{root}/{relative}"
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
    if is_address(folder):
        return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
    prefix = folder if folder.endswith(os.sep) else folder + os.sep
    if not path.startswith(prefix):
        return None
    local = path[len(prefix) :]
    return local if os.sep == "/" else local.replace(os.sep, "/")


def inside(root: str, folder: str) -> str:
    """Returns a folder that is given below a root, or by itself if it is absolute or an address.

    Examples
    --------
    >>> inside("s3://bucket/photos", "roses/"), inside("/photos", "s3://bucket/")
    ('s3://bucket/photos/roses', 's3://bucket')
    """
    if is_address(folder):
        return folder.rstrip("/")
    if not is_address(root) or os.path.isabs(folder):  # noqa: PTH117
        return os.path.normpath(os.path.join(root, folder))  # noqa: PTH118
    below_root = os.path.normpath(folder).replace(os.sep, "/")
    return root if below_root == "." else f"{root}/{below_root}"


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


def in_known_form(paths: Sequence[str], known: Sequence[str]) -> list[str]:
    r"""Returns paths in the Unicode form of the files at or below them, where only that differs.

    Parameters
    ----------
    paths : sequence of str
        Absolute paths, as a person has typed them.
    known : sequence of str
        Absolute paths of files.

    Examples
    --------
    >>> in_known_form(["/caf\u00e9"], ["/cafe\u0301/1.jpg"]) == ["/cafe\u0301"]
    True
    """
    exact = PathSet(paths)
    met = {path for file in known for path in exact.containing(file)}
    sought = {composed(path): path for path in paths if path not in met}
    if not sought:
        return list(paths)
    form: dict[str, str] = {}
    folders = PathSet(sought)
    for file in known:
        for path in folders.containing(composed(file)):
            above = (folder for folder in _upwards(file) if composed(folder) == path)
            form[sought[path]] = next(above)
    return [form.get(path, path) for path in paths]


def along(root: str, was: str | None, here: str) -> str:
    """Returns the path of a root now, where it has moved along with its collection.

    A root that is not there is looked for at the same path relative to the collection, as on
    another machine or mount.

    Parameters
    ----------
    root : str
        Absolute path of the root, as it is stored.
    was : str or None
        Absolute path of the collection when it was stored; None if that is not known.
    here : str
        Absolute path of the collection now.
    """
    if is_address(root) or was is None or was == here or os.path.isdir(root):  # noqa: PTH112
        return root
    try:
        relative = os.path.relpath(root, was)
    except ValueError:  # on Windows, another drive
        return root
    moved = os.path.normpath(os.path.join(here, relative))  # noqa: PTH118
    return moved if os.path.isdir(moved) else root  # noqa: PTH112


def is_missing(path: str) -> bool:
    """Returns whether there is certainly no file; one that cannot be read now is not missing.

    Nor is an object while its store does not answer, or forbids to look.

    Examples
    --------
    >>> is_missing("no such file.jpg")
    True
    """
    try:
        return not S_ISREG(_stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def status_of(path: str) -> os.stat_result | None:
    """Returns the size and times of a file or object, or None if they cannot be told.

    Examples
    --------
    >>> status_of("no-such-file.jpg") is None
    True
    """
    try:
        return _stat(path)
    except OSError:
        return None


def _stat(path: str) -> os.stat_result:
    """Returns the status of a file or object; raises OSError where it cannot be told."""
    if is_address(path):
        return located(path).stat()
    return os.stat(path)  # noqa: PTH116 -- a million Paths would take seconds


def among_objects(work: Callable[[str], _Result], paths: Sequence[str]) -> Iterator[_Result]:
    """Yields what a function returns of each path, in order; of objects, many at the same time.

    Examples
    --------
    >>> list(among_objects(is_missing, ["no such file.jpg"]))
    [True]
    """
    with ThreadPoolExecutor(_AT_ONCE, "clr-object") as pool:  # it starts threads as they are needed
        for start in range(0, len(paths), _PART):
            part = paths[start : start + _PART]
            asked = {path: pool.submit(work, path) for path in part if is_address(path)}
            for path in part:
                yield asked[path].result() if path in asked else work(path)


def folder_identity(folder: str) -> tuple[int, int] | None:
    """Returns device and inode of a folder; None where there is none, or it cannot be read.

    They differ where another folder has taken its place, as when a disk is unmounted. Those of a
    prefix of a store are made of its address, so that it is never another one.

    Examples
    --------
    >>> folder_identity("no such folder") is None
    True
    """
    if is_address(folder):
        return -1, int.from_bytes(sha256(os.fsencode(folder)).digest()[:7], "big")
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
    it, since `Path.resolve` raises an error where links form a circle. An address stays as it is.

    Examples
    --------
    >>> canonical("1.jpg") == str(Path(os.path.realpath(".")) / "1.jpg")
    True
    """
    path = located(path)
    if isinstance(path, ObjectPath):
        return str(path)
    # `Path.is_dir` raises where a name is longer than the file system allows.
    if path.name in ("", "..") or os.path.isdir(path):  # noqa: PTH112
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
        if is_address(folder):
            return folder
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
        if is_address(folder):
            return
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


def label_text(relative: str) -> str | bytes | None:
    """Returns the label of a relative path as it is stored."""
    label = label_of(relative)
    return None if label is None else text(label)


def plain_label(label: str | bytes | None) -> str | None:
    """Returns a stored label as text, composed: older releases have stored any form."""
    return None if label is None else composed(plain(label))


def root_of(roots: dict[int, str], number: int) -> str:
    """Returns the path of a root; an item of no root is damage."""
    if number not in roots:
        raise sqlite3.DatabaseError(f"an item is of a folder {number!r}, which there is not")
    return roots[number]
