"""`UpdateReport`: the result of an update, in numbers and lists."""

from __future__ import annotations

from dataclasses import dataclass

from clr_search.index.catalog.records import NotedItem, SkippedItem


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
    noted: tuple[NotedItem, ...] = ()
