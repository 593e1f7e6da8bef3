"""What an update tells of itself when it is done."""

from __future__ import annotations

from dataclasses import dataclass

from clr_search.index.catalog.records import SkippedItem


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update did.

    Attributes
    ----------
    added, changed, moved, removed, unchanged : int
        Pictures that came in, were embedded again since their content changed, are the same items
        under another path, left, or stayed. A file that was only touched is unchanged.
    skipped : tuple of SkippedItem
        Every file in the given folders that is left out, those known from earlier runs included,
        and every folder that cannot be listed.
    untold : bool
        Whether pictures may change with nothing happening at their own paths: symbolic links lie
        in the given folders, or folders that cannot be listed.
    passed_over : tuple of (str, int)
        Kinds of pictures that are not read, such as ``"JPEG XL"``, and how many files of the given
        folders are of them by their names; empty where only the places were looked at that had
        changed.
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: tuple[SkippedItem, ...] = ()
    untold: bool = False
    passed_over: tuple[tuple[str, int], ...] = ()
