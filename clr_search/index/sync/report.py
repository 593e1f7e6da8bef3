"""`Plan`: what an update has to do; and `UpdateReport`: what it has done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from clr_search.files.finding.left_out import LeftOut
from clr_search.index.catalog.records import IndexedFile, NotedItem, SkippedFile, SkippedItem


@dataclass(slots=True)
class Plan:
    """The changes that an update has to make; paths are absolute, sizes and times those on disk.

    Attributes
    ----------
    embed : list of str
        Paths of new and changed files.
    touched : list of (int, int)
        Ids of items whose files have a new time but their old content, and that time in ns.
    copies : list of (str, stat_result, str)
        New files whose content, of this SHA-256, some item has already.
    moved : list of (str, stat_result, int)
        New files whose content is that of an item whose file is gone, and the id of that item.
    vanished : list of int
        Ids of items whose files are gone.
    forgotten : list of str
        Paths of skipped files that are gone.
    unchanged : int
        The number of items whose content is as it was.
    still_unreadable : list of SkippedFile
        Skipped files whose size and time are as they were.
    tried_all : bool
        Whether every skipped file of an older release is tried again.
    left_out : LeftOut
        The files and folders that the search left out; empty if only changed paths were searched.
    """

    embed: list[str] = field(default_factory=list)
    touched: list[tuple[int, int]] = field(default_factory=list)
    copies: list[tuple[str, os.stat_result, str]] = field(default_factory=list)
    moved: list[tuple[str, os.stat_result, int]] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    unchanged: int = 0
    still_unreadable: list[SkippedFile] = field(default_factory=list)
    tried_all: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)

    def pair(self, known: Mapping[str, IndexedFile]) -> None:
        """Takes copies for moved files while there are items of their content without a file."""
        vanished = set(self.vanished)
        ids_by_content: dict[str, list[int]] = {}
        for item in known.values():
            if item.id in vanished:
                ids_by_content.setdefault(item.sha256, []).append(item.id)
        copies, self.copies = self.copies, []
        for path, status, sha256 in copies:
            if ids_by_content.get(sha256):
                self.moved.append((path, status, ids_by_content[sha256].pop(0)))
            else:
                self.copies.append((path, status, sha256))
        moved = {number for _, _, number in self.moved}
        self.vanished = [number for number in self.vanished if number not in moved]


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """The numbers of pictures that an update added, changed and removed, and what it left out.

    Attributes
    ----------
    added : int
        Pictures that came in.
    changed : int
        Pictures that were embedded again because their content changed.
    moved : int
        Items that are kept under another path, since only the path of the file changed.
    removed : int
        Pictures that left.
    unchanged : int
        Pictures that stayed as they were; a file of which only the time changed is one of them.
    skipped : tuple of SkippedItem
        Every file in the given folders that could not be used, including those known from earlier
        runs, and every folder that cannot be listed.
    untold : bool
        Whether pictures may change without an event at their own paths, because the given folders
        contain symbolic links, or folders that cannot be listed.
    passed_over : tuple of (str, int)
        File formats that are not read, such as ``"JPEG XL"``, and the number of files of each in
        the given folders; empty if only changed paths were looked at.
    left_out : tuple of (str, str)
        Files and folders that the selection leaves out, with the reasons: links out of the folder
        or to nothing, pictures whose names have another ending, and what is excluded; empty if only
        changed paths were looked at.
    noted : tuple of NotedItem
        Every picture that this update embedded and that was read with a loss, or of which something
        is not shown, in the order of their paths.

    Examples
    --------
    >>> report = UpdateReport(added=2, unchanged=40)
    >>> report.added, report.removed
    (2, 0)
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: tuple[SkippedItem, ...] = ()
    untold: bool = False
    passed_over: tuple[tuple[str, int], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    noted: tuple[NotedItem, ...] = ()
