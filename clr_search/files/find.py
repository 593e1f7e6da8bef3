"""Files: finding images, writing without ever leaving a half-written file, hashing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath
from stat import S_ISLNK, S_ISREG

from clr_search.errors import UsageError
from clr_search.files.left_out import UNREAD_SUFFIXES, LeftOut

IMAGE_SUFFIXES = frozenset(
    ".avif .bmp .gif .heic .heif .hif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp".split()
)
"""File names that are taken for images when a folder is searched (compared in lower case)."""


@dataclass(frozen=True, slots=True, order=True)
class ImageFile:
    """An image found on disk: the folder it was looked for in, and where it lies below it.

    Attributes
    ----------
    root : Path
        Absolute, resolved folder.
    relative : str
        Path below `root`, with forward slashes on every system.
    """

    root: Path
    relative: str

    @property
    def path(self) -> Path:
        """Absolute path."""
        return self.root / self.relative

    @property
    def label(self) -> str | None:
        """Name of the parent folder, or None for a file directly below the root."""
        return label_of(self.relative)


def label_of(relative: str) -> str | None:
    """Name of the parent folder of a path below a root; None directly below the root."""
    return PurePosixPath(relative).parent.name or None


def find_images(paths: Iterable[Path | str], left_out: LeftOut | None = None) -> list[ImageFile]:
    """Find images in folders (recursively) and among files.

    Hidden files and folders are skipped. Symbolic links are followed only where they lead to a
    place inside the folder that is searched, and no folder is visited twice. A file that is named
    itself is taken whatever its suffix; its root is its folder.

    Parameters
    ----------
    paths : iterable of path
        Folders and files.
    left_out : Overlooked, optional
        Takes down what is left out.

    Returns
    -------
    list of ImageFile
        In a stable order: by argument, then by path. Each file once.

    Raises
    ------
    UsageError
        If a path does not exist, or no image is found at all.
    """
    places = [Path(path) for path in paths]
    left_out = LeftOut() if left_out is None else left_out
    found: dict[str, ImageFile] = {}  # strings: a hundred thousand Paths take seconds
    for path in places:
        if path.is_dir():
            images = sorted(walk_images(path.resolve(), left_out), key=attrgetter("relative"))
        elif path.is_file():
            images = [ImageFile(path.parent.resolve(), path.name)]
        else:
            raise UsageError(
                f"There is no file or folder {path}.",
                "Check the spelling, or give an absolute path.",
            )
        for image in images:
            found.setdefault(os.path.join(image.root, image.relative), image)  # noqa: PTH118
    if not found:
        names = ", ".join(str(path) for path in places) or "no path at all"
        taken = f"Files ending in {' '.join(sorted(IMAGE_SUFFIXES))} are taken for images."
        raise UsageError(f"No images found in {names}.", " ".join([*left_out.told(), taken]))
    return list(found.values())


def walk_images(root: Path, left_out: LeftOut, start: Path | None = None) -> Iterator[ImageFile]:
    """Images below a folder, as `find_images` finds them, in any order.

    Parameters
    ----------
    root : Path
        Absolute, resolved.
    left_out : Overlooked
        Takes down what is left out.
    start : Path, optional
        A folder below `root`, reached without links: only what lies below it.
    """
    visited: set[Path] = set()
    walk = os.walk(start or root, onerror=left_out.note, followlinks=True)
    for folder, subfolders, names in walk:
        here = Path(folder)
        real = here.resolve()
        if real != here:
            left_out.untold.append(folder)
        if real in visited or not real.is_relative_to(root):
            subfolders.clear()
            continue
        visited.add(real)
        # Plain folders before links, so that a link never takes the place of the real path.
        subfolders[:] = sorted(
            (name for name in subfolders if not name.startswith(".")),
            key=lambda name: ((here / name).is_symlink(), name),
        )
        way = "" if here == root else here.relative_to(root).as_posix() + "/"
        for name in _images(folder, names, root, left_out):
            yield ImageFile(root, way + name)


def _images(folder: str, names: Iterable[str], root: Path, left_out: LeftOut) -> Iterator[str]:
    """Yields the names in a folder that are those of images."""
    for name in names:
        path = f"{folder}{os.sep}{name}"
        if is_image_name(name):
            if _is_file_inside(path, root, left_out):
                yield name
            continue
        if os.path.islink(path):  # noqa: PTH114
            left_out.untold.append(path)
        if not name.startswith(".") and (kind := UNREAD_SUFFIXES.get(_suffix(name))):
            left_out.unread[path] = kind


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image when its folder is searched."""
    return not name.startswith(".") and _suffix(name) in IMAGE_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def _is_file_inside(path: str, root: Path, left_out: LeftOut) -> bool:
    try:
        mode = os.lstat(path).st_mode
        if S_ISLNK(mode):
            left_out.untold.append(path)
            real = Path(os.path.realpath(path))  # `resolve` raises on a link to itself
            return real.is_relative_to(root) and real.is_file()
    except OSError:
        return False
    return S_ISREG(mode)
