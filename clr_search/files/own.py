"""Folders of ours (collections, runs, sites, caches), from which no link leads out.

Such a folder may come from a stranger, in an archive that keeps links: ``ann`` a link to a folder
of the person who unpacked it, ``lock`` a link to a file, ``config.json`` a pipe that blocks whoever
reads it. So each file in it is opened relative to the descriptor of its folder, without following
links (``O_NOFOLLOW``), without waiting (``O_NONBLOCK``), and is looked at before a byte is read or
written: whatever is no regular file is refused by its name. The descriptor is held as long as the
folder is in use, so that a folder that is moved, or whose name becomes a link meanwhile, stays the
one that was opened. Only the path of the folder itself, which a person has named, may be a link.

Windows opens nothing relative to a folder. There the same is looked at by path, before a file is
opened and again by its handle afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import stat
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clr_search.errors import ClrSearchError
from clr_search.files import nofollow
from clr_search.files.disk import DiskError, remedy_of, told
from clr_search.files.nofollow import At, NotOursError, inside


class OwnFolder:
    """A collection, run, site or cache, held by its descriptor.

    Parameters
    ----------
    path : Path
        The folder, which exists; a link to it is followed, once.

    Raises
    ------
    OSError
        If it does not exist, is no folder, or may not be entered.

    Examples
    --------
    >>> folder = OwnFolder.make(Path("flowers.clr"))
    >>> (folder / "ann/1.faiss").write(b"whole")
    >>> (folder / "ann/1.faiss").read_bytes(), folder.names("ann")
    (b'whole', ['1.faiss'])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.real = path.resolve(strict=True)
        self._fd = nofollow.open_root(self.real)
        if self._fd is not None:
            weakref.finalize(self, os.close, self._fd)
        status = self.real.stat() if self._fd is None else os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)

    @classmethod
    def at(cls, path: Path | OwnFolder) -> OwnFolder:
        """Returns the folder at a path; an `OwnFolder` is returned as it is."""
        return path if isinstance(path, OwnFolder) else cls(path)

    @classmethod
    def make(cls, path: Path) -> OwnFolder:
        """Makes a folder, with those above it, unless it exists, and returns it."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason, remedy = error.strerror or "", remedy_of(error) or "Choose another place."
            raise DiskError(f"{path} cannot be made: {reason}.", remedy, reason) from error
        return cls(path)

    def __truediv__(self, name: str | PurePosixPath | Path) -> OwnFile:
        return OwnFile(self, PurePosixPath(name).as_posix())

    def inside(self, name: str) -> OwnFolder:
        """Makes a folder inside, unless it exists, and returns it; a link is refused."""
        with self.within(name, make=True):
            folder = OwnFolder(self.real / name)
        if folder.real != self.real / name:
            raise nofollow.refused(self.path / name, "a link", "a folder")
        return folder

    @property
    def place(self) -> Path:
        """What messages call it: its path, unless it holds a part of what is elsewhere."""
        return self.path

    def __str__(self) -> str:
        return str(self.place)

    def __repr__(self) -> str:
        return f"OwnFolder({str(self.path)!r})"

    def is_in_place(self) -> bool:
        """Returns whether the folder still is where it was opened, under no other link."""
        try:
            status = self.real.stat(follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def require_in_place(self) -> None:
        """Raises `NotOursError` where the folder was moved or replaced since it was opened."""
        if not self.is_in_place():
            raise NotOursError(
                f"{self.path} was moved, deleted or replaced while it was in use.",
                "Bring it back, or open it where it is now.",
            )

    def names(self, sub: str = "") -> list[str]:
        """Returns the names in the folder, or in a folder inside, sorted; none if it is missing."""
        try:
            with self.within(sub, make=False) as at:
                return nofollow.names_in(at)
        except FileNotFoundError:
            return []

    def delete(
        self, sub: str, ours: re.Pattern[str], *, keep: frozenset[str] = frozenset()
    ) -> None:
        """Deletes the files of the folder, or of one inside, whose whole names match.

        What has another name stays. `keep` are names that stay although they match.
        """
        for name in self.names(sub):
            if ours.fullmatch(name) and name not in keep:
                (self / PurePosixPath(sub, name)).delete()

    def discard(self, sub: str, ours: re.Pattern[str]) -> None:
        """Deletes the files of a folder inside as `delete` does, and the folder if it is empty."""
        self.delete(sub, ours)
        above = PurePosixPath(sub)
        with (
            contextlib.suppress(OSError),  # it is missing, or holds something else
            self.within(str(above.parent), make=False) as at,
        ):
            here = inside(at, above.name)
            os.rmdir(here.name, dir_fd=here.dir_fd)

    def sync(self, sub: str = "") -> None:
        """Flushes to disk which names the folder has, after files were made, renamed or deleted."""
        if nofollow.RELATIVE:  # Windows has no handle for a folder
            with self.within(sub, make=False) as at, told(self.path / sub):
                assert at.dir_fd is not None, "POSIX has descriptors"
                os.fsync(at.dir_fd)

    @contextlib.contextmanager
    def within(self, sub: str, *, make: bool) -> Iterator[At]:
        """Yields a folder inside, opened a step at a time without following links.

        Raises
        ------
        NotOursError
            If a step is a link, or no folder.
        FileNotFoundError
            If it does not exist, and `make` is False.
        """
        at = At(str(self.real), self._fd)
        opened: list[int] = []
        try:
            for depth, part in enumerate(parts := PurePosixPath(sub).parts, 1):
                at = nofollow.open_folder(
                    inside(at, part), self.path.joinpath(*parts[:depth]), make=make
                )
                if at.dir_fd is not None:
                    opened.append(at.dir_fd)
            yield at
        finally:
            for fd in opened:
                os.close(fd)


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file in a folder of ours, which may not exist yet.

    Attributes
    ----------
    folder : OwnFolder
        The folder.
    name : str
        Path below it, with forward slashes.
    """

    folder: OwnFolder
    name: str

    @classmethod
    def at(cls, path: Path | OwnFile) -> OwnFile:
        """Returns the file at a path, of the folder it lies in; an `OwnFile` as it is."""
        return path if isinstance(path, OwnFile) else OwnFolder(path.parent) / path.name

    @property
    def path(self) -> Path:
        """The path, for messages and for what can only open paths."""
        return self.folder.path / self.name

    def __str__(self) -> str:
        return str(self.path)

    @property
    def _sub(self) -> str:
        """The folder inside `folder` in which the file lies."""
        return self.name.rpartition("/")[0]

    @property
    def _last(self) -> str:
        """The name without the folders before it."""
        return self.name.rpartition("/")[2]

    def status(self) -> os.stat_result | None:
        """Returns size, times and inode; None where there is no such file.

        Raises
        ------
        NotOursError
            If it, or a folder on the way, is a link, or it is no regular file.
        """
        try:
            with self.folder.within(self._sub, make=False) as at:
                here = inside(at, self._last)
                status = nofollow.status_of(here)
        except FileNotFoundError:
            return None
        nofollow.require_regular(status, self.path)
        return status

    def exists(self) -> bool:
        """Returns whether there is such a file; raises `NotOursError` as `status` does."""
        return self.status() is not None

    def open(self) -> io.BufferedReader:
        """Opens the file for reading, without following links or waiting for a pipe.

        Raises
        ------
        NotOursError
            If it, or a folder on the way, is a link, or it is no regular file.
        OSError
            If it does not exist, or may not be read.
        """
        return io.BufferedReader(io.FileIO(self._descriptor(os.O_RDONLY), "rb"))

    def change(self, flags: int = 0) -> io.BufferedRandom:
        """Opens the file for changes in place; folders inside are made with ``O_CREAT``.

        Parameters
        ----------
        flags : int
            ``O_CREAT``, ``O_EXCL`` and ``O_APPEND`` of `os`, or 0.

        Raises
        ------
        NotOursError
            As `open`, and if the file has a second name (a hard link).
        DiskError
            If the disk is full, read-only or failing.
        OSError
            If it does not exist (without ``O_CREAT``).
        """
        with told(self.path):
            return io.BufferedRandom(io.FileIO(self._descriptor(os.O_RDWR | flags), "r+b"))

    def _descriptor(self, flags: int) -> int:
        """Returns a descriptor of the opened file."""
        with self.folder.within(self._sub, make=bool(flags & os.O_CREAT)) as at:
            return nofollow.open_file(inside(at, self._last), flags, self.path)

    def read_bytes(self) -> bytes:
        """Returns the content; raises as `open` does."""
        with self.open() as file, told(self.path, "read"):
            return file.read()

    def read_text(self) -> str:
        """Returns the content as UTF-8; raises as `open` does, and ClrSearchError if it is none."""
        try:
            return self.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ClrSearchError(
                f"{self} is damaged: it is no text in UTF-8.", "Copy it again from its source."
            ) from error

    def sha256(self) -> str:
        """Returns the hexadecimal SHA-256 of the content; raises as `open` does."""
        with self.open() as file, told(self.path, "read"):
            return hashlib.file_digest(file, "sha256").hexdigest()

    def write(self, data: bytes | str) -> None:
        """Writes `data` (text as UTF-8), whole or not at all; folders inside are made as needed."""
        with self.replacing() as file:
            file.write(data.encode() if isinstance(data, str) else data)

    @contextlib.contextmanager
    def replacing(self) -> Iterator[io.BufferedRandom]:
        """Yields a new file that takes the place of this one only if the block succeeds.

        After the block it is fsynced and renamed, and the folder is fsynced: a reader sees the
        whole old file or the whole new one. If the block raises, the new file is deleted.

        Raises
        ------
        NotOursError
            If something that is no regular file has the name, or a folder on the way is a link.
        DiskError
            If the disk is full, read-only or failing; the old file stays.
        """
        self.status()  # refuses what is not ours
        temporary = self.folder / PurePosixPath(
            self._sub, f".{self._last}.{secrets.token_hex(4)}.tmp"
        )
        try:
            with told(self.path):
                with temporary.change(os.O_CREAT | os.O_EXCL) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(self)
        finally:
            temporary.delete()
        self.folder.sync(self._sub)

    def link_to(self, source: Path) -> None:
        """Makes this a second name of a file elsewhere on the same disk, in place of a copy.

        It is a hard link: the file stays until both names are deleted, and the name is given to it
        whole or not at all. We only ever replace the file, so that its other name is never changed.

        Raises
        ------
        NotOursError
            As `replacing`.
        OSError
            If the file lies on another disk, is not there, or may not be linked to.
        """
        self.status()  # refuses what is not ours
        temporary = self.folder / PurePosixPath(
            self._sub, f".{self._last}.{secrets.token_hex(4)}.tmp"
        )
        try:
            with self.folder.within(self._sub, make=True) as at:
                here = inside(at, temporary._last)
                os.link(os.path.realpath(source), here.name, dst_dir_fd=here.dir_fd)
            temporary.rename(self)
        finally:
            temporary.delete()  # also where both were the same file, which `rename` leaves
        self.folder.sync(self._sub)

    def rename(self, target: OwnFile) -> None:
        """Gives the file the name of another one, in whose place it comes."""
        with (
            self.folder.within(self._sub, make=False) as here,
            target.folder.within(target._sub, make=False) as there,
            told(target.path),
        ):
            old, new = inside(here, self._last), inside(there, target._last)
            os.replace(old.name, new.name, src_dir_fd=old.dir_fd, dst_dir_fd=new.dir_fd)

    def delete(self) -> None:
        """Deletes the file, or a link or pipe of its name, never what a link leads to.

        Raises
        ------
        NotOursError
            If a folder has the name.
        """
        with (
            contextlib.suppress(FileNotFoundError),
            self.folder.within(self._sub, make=False) as at,
        ):
            here = inside(at, self._last)
            if stat.S_ISDIR(nofollow.status_of(here).st_mode):
                raise nofollow.refused(self.path, "a folder", "a file")
            with told(self.path, "deleted"):
                os.unlink(here.name, dir_fd=here.dir_fd)


def temporary_of(name: str) -> re.Pattern[str]:
    r"""Returns the pattern of the names under which a file is written until it is whole.

    `name` is a regular expression of the final name.

    Examples
    --------
    >>> bool(temporary_of(r"\d+\.faiss").fullmatch(".3.faiss.0a1b2c3d.tmp"))
    True
    """
    return re.compile(rf"\.(?:{name})\.[0-9a-f]{{8}}\.tmp")
