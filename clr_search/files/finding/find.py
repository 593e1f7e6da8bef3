"""Finding images in folders and among files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from stat import S_ISLNK, S_ISREG

from clr_search.errors import UsageError, require
from clr_search.files.finding.image_file import ImageFile, is_image_name, suffix_of
from clr_search.files.finding.left_out import (
    EXCLUDED,
    HIDDEN,
    NOWHERE,
    OTHER_NAME,
    OUTSIDE,
    UNREAD_SUFFIXES,
    LeftOut,
)
from clr_search.files.finding.selection import DEFAULT, HEAD, IMAGE_SUFFIXES, Selection, is_picture
from clr_search.files.stores.address import ObjectPath, located


def find_images(
    paths: Iterable[Path | str], left_out: LeftOut | None = None, selection: Selection = DEFAULT
) -> list[ImageFile]:
    """Find images in folders (recursively) and among files.

    Hidden files and folders are skipped. Symbolic links are followed only if they lead to a path
    inside the folder that is searched, unless the selection says otherwise, and no folder is
    visited twice. A file that is given itself is taken whatever its suffix; its root is the folder
    that it lies in.

    Parameters
    ----------
    paths : iterable of path
        Folders and files, and addresses of object stores such as ``s3://bucket/prefix``.
    left_out : LeftOut, optional
        Record to which the files and folders that are left out are added.
    selection : Selection
        Which files and folders are taken.

    Returns
    -------
    list of ImageFile
        The images, each once, in a stable order: by argument, then by path.

    Raises
    ------
    UsageError
        If a path does not exist, or no image is found at all.
    ClrSearchError
        If a store cannot be listed.

    Examples
    --------
    >>> Path("beach").mkdir()
    >>> for name in ("a.jpg", "b.txt"):
    ...     Path("beach", name).touch()
    >>> [(image.relative, image.label) for image in find_images(["."])]
    [('beach/a.jpg', 'beach')]
    """
    given_paths = [located(path) for path in paths]
    left_out = LeftOut() if left_out is None else left_out
    image_at: dict[str, ImageFile] = {}  # a hundred thousand Paths as keys take seconds
    for path in given_paths:
        if isinstance(path, ObjectPath):
            images = _objects(path, left_out, selection)
        elif os.path.isdir(path):  # noqa: PTH112 -- `Path.is_dir` raises on a path that is too long
            walk = walk_images(path.resolve(), left_out, selection=selection)
            images = sorted(walk, key=attrgetter("relative"))
        elif os.path.isfile(path):  # noqa: PTH113
            images = [ImageFile(path.parent.resolve(), path.name, given=True)]
        else:
            raise UsageError(
                f"There is no file or folder {path}.",
                "Check the spelling, or give an absolute path.",
            )
        for image in images:
            image_at.setdefault(os.path.join(image.root, image.relative), image)  # noqa: PTH118
    if not image_at:
        names = ", ".join(str(path) for path in given_paths) or "no path at all"
        taken = f"Files ending in {' '.join(sorted(IMAGE_SUFFIXES))} are taken for images."
        raise UsageError(f"No images found in {names}.", " ".join([*left_out.told(), taken]))
    return list(image_at.values())


def _objects(path: ObjectPath, left_out: LeftOut, selection: Selection) -> list[ImageFile]:
    """Returns the images at an address, as `objects.images_at`; its errors are whole sentences."""
    require("obstore", "stores")
    from clr_search.files.finding.objects import images_at
    from clr_search.files.stores.failures import told_whole

    with told_whole():
        return images_at(path, left_out, selection)


def walk_images(
    root: Path,
    left_out: LeftOut,
    start: Path | None = None,
    selection: Selection = DEFAULT,
) -> Iterator[ImageFile]:
    """Yields the images below a folder, as `find_images` finds them, in any order.

    Parameters
    ----------
    root : Path
        Absolute path of the folder, without links.
    left_out : LeftOut
        Record to which the files and folders that are left out are added.
    start : Path, optional
        A folder below `root`, reached without links, to search instead of all of `root`.
    selection : Selection
        Which files and folders are taken.
    """
    visited: set[Path] = set()
    walk = os.walk(start or root, onerror=left_out.note, followlinks=True)
    for folder, subfolders, names in walk:
        folder_path = Path(folder)
        real = Path(os.path.realpath(folder))
        if real != folder_path:
            left_out.untold.append(folder)
        if not real.is_relative_to(root) and not selection.follow_links:
            left_out.others[folder] = OUTSIDE
            subfolders.clear()
            continue
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        prefix = "" if folder_path == root else folder_path.relative_to(root).as_posix() + "/"
        # Plain folders come before links, so that a folder is found under its real path.
        subfolders[:] = sorted(
            _taken(folder, prefix, subfolders, left_out, selection),
            key=lambda name: (os.path.islink(f"{folder}{os.sep}{name}"), name),  # noqa: PTH114
        )
        names = _taken(folder, prefix, names, left_out, selection)
        for name in _images(folder, names, root, left_out, selection):
            yield ImageFile(root, prefix + name)


def _taken(
    folder: str, prefix: str, names: Sequence[str], left_out: LeftOut, selection: Selection
) -> list[str]:
    """Returns the names of a folder that are neither hidden nor excluded.

    What is excluded is recorded, and of what is hidden, folders and pictures.
    """
    shown = [name for name in names if not name.startswith(".")]
    for name in names:
        path = f"{folder}{os.sep}{name}"
        if name.startswith(".") and (os.path.isdir(path) or begins_as_picture(path)):  # noqa: PTH112
            left_out.others[path] = HIDDEN
    excluded = {name for name in shown if selection.excludes(prefix + name)}
    for name in excluded:
        left_out.others[f"{folder}{os.sep}{name}"] = EXCLUDED
    return [name for name in shown if name not in excluded]


def _images(
    folder: str, names: Iterable[str], root: Path, left_out: LeftOut, selection: Selection
) -> Iterator[str]:
    """Yields the names of the images among the files of a folder."""
    for name in names:
        path = f"{folder}{os.sep}{name}"
        named = is_image_name(name)
        if not named and (kind := UNREAD_SUFFIXES.get(suffix_of(name))):
            left_out.unread[path] = kind
            continue
        if not _is_file(path, root, left_out, selection, told=named):
            continue
        if named or (selection.any_name and begins_as_picture(path)):
            yield name
        elif begins_as_picture(path):
            left_out.others[path] = OTHER_NAME


def begins_as_picture(path: str) -> bool:
    """Returns whether a file begins as a picture; one that cannot be read does not."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- of every file of a folder
            return is_picture(file.read(HEAD) or b"")
    except OSError:
        return False


def _is_file(path: str, root: Path, left_out: LeftOut, selection: Selection, *, told: bool) -> bool:
    """Whether the path is a regular file, or a link that is followed to one.

    So is taken what cannot be looked at, such as a path that is too long for the system: whoever
    reads it says why that is not possible. A link that leads elsewhere is recorded if it is `told`,
    as one with the name of an image, or leads to a picture.
    """
    try:
        mode = os.lstat(path).st_mode
        if not S_ISLNK(mode):
            return S_ISREG(mode)
        left_out.untold.append(path)
        real = Path(os.path.realpath(path))  # `resolve` raises on a link to itself
        if not real.is_file():
            if told and not real.is_dir():
                left_out.others[path] = NOWHERE
            return False
        if real.is_relative_to(root) or selection.follow_links:
            return True
        if told or begins_as_picture(path):
            left_out.others[path] = OUTSIDE
        return False
    except OSError as error:
        return told and not isinstance(error, FileNotFoundError | NotADirectoryError)
