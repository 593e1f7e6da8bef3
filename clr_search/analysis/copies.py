"""The report of a search for copies: its groups, and what could not be told."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clr_search.analysis.copy_thresholds import Calibration
from clr_search.analysis.living import is_as_indexed
from clr_search.index.catalog.records import Item


@dataclass(frozen=True, slots=True)
class Copy:
    """One picture of a group of copies.

    Attributes
    ----------
    item : Item
        The picture.
    keep : bool
        Whether this picture is proposed to be kept.
    exact : bool
        Whether its file has the same bytes as the first of the group.
    score : float
        Cosine to the first of the group, in [-1, 1].
    frees : int
        Bytes that deleting the file frees: 0 for a picture to be kept, for a symbolic link, and for
        another name (hard link) of a file that the group has already.
    why : str
        Why it is to be kept although it is not the first, such as "it is larger".
    turn : str
        How it is mirrored or turned against the first; empty for not at all.
    """

    item: Item
    keep: bool
    exact: bool
    score: float
    frees: int
    why: str = ""
    turn: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture: the one to be kept comes first, the others by falling score.

    Attributes
    ----------
    copies : tuple of Copy
        The pictures, at least two. The pixels of each that could go were compared with those of
        the first.
    lowest : float
        Least cosine of any of them with the first, in [-1, 1].
    """

    copies: tuple[Copy, ...]
    lowest: float

    @property
    def exact(self) -> bool:
        """Whether all files have the same bytes."""
        return all(copy.exact for copy in self.copies)

    @property
    def bytes_beside(self) -> int:
        """Size in bytes of all files that could go; hard links of a file count once."""
        return sum(copy.frees for copy in self.copies)

    @property
    def could_go(self) -> int:
        """The number of files that could go."""
        return sum(not copy.keep for copy in self.copies)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The groups of copies in a collection, and what could not be told.

    Attributes
    ----------
    groups : tuple of Group
        The groups, the largest first.
    threshold : float or None
        Least cosine of candidates; None if only exact copies were searched for.
    calibration : Calibration or None
        The measurement that the threshold was chosen by; None if it was given.
    pictures : int
        The number of pictures that were compared.
    gone : int
        Pictures of the collection whose files are gone, or cannot be reached.
    unread : int
        Pictures that cannot be read now, or have changed since they were indexed.
    unjudged : int
        Pictures with too little structure to be compared: blank, dark or even ones.
    dismissed : int
        Pairs that are left out because a person has dismissed them.
    """

    groups: tuple[Group, ...]
    threshold: float | None
    calibration: Calibration | None
    pictures: int
    gone: int = 0
    unread: int = 0
    unjudged: int = 0
    dismissed: int = 0

    def confirmed(self) -> Duplicates:
        """Returns the groups that are true now: every file exists and has the bytes of its item.

        The files of the groups are read. A file that fails leaves its group; without the one to be
        kept a group is dissolved, unless all files of it had the same bytes.
        """
        checked = [_confirmed(group) for group in self.groups]
        groups = tuple(group for group, _ in checked if group is not None)
        return replace(self, groups=groups, unread=self.unread + sum(lost for _, lost in checked))


def _confirmed(group: Group) -> tuple[Group | None, int]:
    """Returns what is left of a group, and the number of files that are not as they were."""
    left = [copy for copy in group.copies if is_as_indexed(copy.item)]
    lost = len(group.copies) - len(left)
    if not lost:
        return group, 0
    if len(left) < 2 or (left[0] is not group.copies[0] and not group.exact):
        return None, lost
    first = replace(left[0], keep=True, frees=0)
    return replace(group, copies=(first, *left[1:])), lost
