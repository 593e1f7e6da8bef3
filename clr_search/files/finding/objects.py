"""Finding images below a prefix of a store, as `find_images` finds those in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from clr_search.files.finding.image_file import ImageFile, is_image_name, suffix_of
from clr_search.files.finding.left_out import EXCLUDED, HIDDEN, UNREAD_SUFFIXES, LeftOut
from clr_search.files.finding.selection import HEAD, Selection, is_picture
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.listing import UNREADABLE, listed
from clr_search.files.stores.reading import ObjectFile

_AT_ONCE = 16
_LOOKED_INTO = 1024  # objects of other names whose beginnings are read before any is taken


def images_at(path: ObjectPath, left_out: LeftOut, selection: Selection) -> list[ImageFile]:
    """Return the images at an address: those below a prefix, or the one object of this key.

    Each has the size and time that the list tells, so that none is asked for them again.

    Parameters
    ----------
    path : ObjectPath
        The address.
    left_out : LeftOut
        Record to which the objects that are left out are added.
    selection : Selection
        Which objects are taken; a prefix is as the path of a folder.

    Raises
    ------
    StoreError
        If the store cannot be listed. No list is ever taken for a complete one that is not.
    """
    if path.is_file():
        parent = ObjectPath(str(path.parent))
        return [ImageFile(parent, path.name, given=True, status=path.stat())]
    images = {image.relative: image for image in _walk(path, left_out, selection)}
    return [images[relative] for relative in sorted(images)]


def _walk(root: ObjectPath, left_out: LeftOut, selection: Selection) -> Iterator[ImageFile]:
    """Yield the images below a prefix, in any order; one may come twice."""
    start = len(root.key) + 1 if root.key else 0
    others = []
    for key, status in listed(root):
        relative = key[start:]
        name = relative.rpartition("/")[2]
        if not name or not _is_taken(root, relative, left_out, selection):
            continue
        if not is_image_name(name):
            if kind := UNREAD_SUFFIXES.get(suffix_of(name)):
                left_out.unread[f"{root}/{relative}"] = kind
            elif selection.any_name and status is not None:
                others.append(ImageFile(root, relative, status=status))
        elif status is None:
            left_out.folders[f"{root}/{relative}"] = UNREADABLE
        else:
            yield ImageFile(root, relative, status=status)
    yield from _pictures(others)


def _is_taken(root: ObjectPath, relative: str, left_out: LeftOut, selection: Selection) -> bool:
    """Whether a key is neither hidden nor excluded; of what is hidden, pictures are recorded."""
    if any(part.startswith(".") for part in relative.split("/")):
        if suffix_of(relative) and is_image_name("x" + suffix_of(relative)):
            left_out.others[f"{root}/{relative}"] = HIDDEN
        return False
    if selection.excludes_within(relative):
        left_out.others[f"{root}/{relative}"] = EXCLUDED
        return False
    return True


def _pictures(others: Sequence[ImageFile]) -> Iterator[ImageFile]:
    """Yield those objects that begin as pictures; the first bytes of each are read."""
    waiting = iter(others)
    with ThreadPoolExecutor(_AT_ONCE, "clr-object") as pool:
        while part := list(islice(waiting, _LOOKED_INTO)):
            for image, begins in zip(part, pool.map(_begins_as_picture, part), strict=True):
                if begins:
                    yield image


def _begins_as_picture(image: ImageFile) -> bool:
    """Whether an object begins as a picture; one that cannot be read does not."""
    try:
        with ObjectFile(ObjectPath(str(image.path))) as file:
            return is_picture(file.read(HEAD) or b"")
    except (FileNotFoundError, PermissionError):
        return False
