"""`ImageFile`: a file that was found, and whether a name is one of a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clr_search.files.finding.selection import IMAGE_SUFFIXES
from clr_search.files.names import composed


@dataclass(frozen=True, slots=True, order=True)
class ImageFile:
    """An image file on disk: the folder that was searched, and the path below that folder.

    Attributes
    ----------
    root : Path
        Absolute path of the folder, without links.
    relative : str
        Path of the file below `root`, with forward slashes on every system.
    given : bool
        Whether the file was given itself, and not found in a folder.
    status : stat_result or None
        Size and time of an object, which the list of its store tells; None of a file on disk.

    Examples
    --------
    >>> image = ImageFile(Path("/photos"), "beach/a.jpg")
    >>> image.path.as_posix(), image.label
    ('/photos/beach/a.jpg', 'beach')
    """

    root: Path
    relative: str
    given: bool = field(default=False, compare=False)
    status: os.stat_result | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """Absolute path of the file."""
        return self.root / self.relative

    @property
    def label(self) -> str | None:
        """Name of the parent folder; None for a file directly below the root."""
        return label_of(self.relative)

    @property
    def class_name(self) -> str | None:
        """The class by its folder: as `label`; of a file that was given itself, its folder's name.

        A list of files, as ``find`` prints it, so gives the classes that its folders would.
        """
        return composed(self.root.name) or None if self.given else self.label


def label_of(relative: str) -> str | None:
    """Returns the name of the parent folder of a path below a root, or None directly below it.

    It is in Unicode's composed form, so that one class is not two because half of its pictures come
    from a Mac.

    Examples
    --------
    >>> label_of("2024/beach/a.jpg"), label_of("a.jpg")
    ('beach', None)
    """
    return composed(PurePosixPath(relative).parent.name) or None


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image when its folder is searched.

    Examples
    --------
    >>> is_image_name("a.JPG"), is_image_name("a.txt"), is_image_name(".a.jpg")
    (True, False, False)
    """
    return not name.startswith(".") and suffix_of(name) in IMAGE_SUFFIXES


def suffix_of(name: str) -> str:
    """Returns the suffix of a file name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122
