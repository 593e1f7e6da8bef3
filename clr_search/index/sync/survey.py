"""Comparing a collection with what lies on disk: what an update will have to do."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.find import find_images, is_image_name
from clr_search.files.left_out import LeftOut
from clr_search.files.write import sha256_file
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import (
    KnownFolders,
    absolute,
    below,
    canonical,
    folder_identity,
    is_missing,
)
from clr_search.index.catalog.records import IndexedFile, SkippedFile
from clr_search.index.sync import roots
from clr_search.index.sync.changes import Changes, UnsureError
from clr_search.progress import Reporter


@dataclass(slots=True)
class Plan:
    """What there is to do; paths are absolute, sizes and times as they are on disk now.

    Attributes
    ----------
    embed : list of str
        New and changed files.
    touched : list of (int, int)
        Ids of items whose files have a new time (ns) and their old content.
    copies : list of (str, stat_result, str)
        New files whose content, by SHA-256, some item has already.
    moved : list of (str, stat_result, int)
        New files whose content is that of an item whose file is gone, and its id.
    vanished : list of int
        Ids of items whose files are gone.
    forgotten : list of str
        Skipped files that are gone.
    unchanged : int
        Items whose content is as it was.
    still_unreadable : list of SkippedFile
        Skipped files that are as they were.
    left_out : Overlooked
        What was not found; of all the paths, where all were looked at.
    """

    embed: list[str] = field(default_factory=list)
    touched: list[tuple[int, int]] = field(default_factory=list)
    copies: list[tuple[str, os.stat_result, str]] = field(default_factory=list)
    moved: list[tuple[str, os.stat_result, int]] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    unchanged: int = 0
    still_unreadable: list[SkippedFile] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


class Survey:
    """A look at some paths; it changes nothing but the roots.

    Parameters
    ----------
    catalog : Catalog
        Writable.
    paths : sequence of path
        Folders and files.
    drop : bool
        Whether items whose files have vanished from these folders are to leave.
    reporter : Reporter
        Is told the progress.
    changed : Changes, optional
        Where to look, if everything else is as it was; everywhere where that is not enough.
    """

    def __init__(
        self,
        catalog: Catalog,
        paths: Sequence[Path | str],
        *,
        drop: bool,
        reporter: Reporter,
        changed: Changes | None = None,
    ) -> None:
        self._catalog = catalog
        self._paths: list[Path] = []
        self._folders: list[str] = []
        self._drop = drop
        self._reporter = reporter
        self._changed = changed
        self._take(paths)

    def _take(self, paths: Sequence[Path | str]) -> None:
        """What was given; another spelling of a root is that root, see `KnownFolders`."""
        with self._catalog.reading():
            spellings = KnownFolders(root.path for root in self._catalog.roots())
        for path in map(Path, paths):
            whole, here = path.is_dir(), canonical(path)
            folder = here if whole else os.path.dirname(here)  # noqa: PTH120
            there = spellings.of(folder)
            if there != folder:
                here = there if whole else absolute(there, path.name)
                path = Path(here)
                self._changed = None  # what has changed is told under the other spelling
            self._paths.append(path)
            if whole:
                self._folders.append(here)

    def plan(self) -> tuple[Plan, dict[str, IndexedFile]]:
        """What there is to do, and the items there are, by absolute path.

        Raises
        ------
        UsageError
            If a path does not exist, no image is found, or, with `drop`, a folder has none any
            more whose pictures are in the collection, or goes away while it is looked at.
        """
        with self._catalog.reading():
            known = self._catalog.known()
            broken = {entry.path: entry for entry in self._catalog.skipped()}
        before = {folder: folder_identity(folder) for folder in self._folders}
        left_out = LeftOut()
        found = self._find_changed(known, broken)
        if found is None:
            self._changed = None
            found = self._find(known, left_out)
        with self._catalog.writing():
            for folder in self._folders:
                roots.give(self._catalog, folder)
        plan = self._compare(found, known, broken)
        plan.left_out = left_out
        if plan.vanished:
            refuse_replaced(before)
        return plan, known

    def _find_changed(self, known: Collection[str], broken: Collection[str]) -> list[str] | None:
        """Absolute paths of the images where something has changed, in the order of `_find`.

        None where all must be looked at, also so that `_find` refuses what it has to.
        """
        if self._changed is None:
            return None
        found: list[str] = []
        try:
            for path in self._paths:
                if path.is_dir():
                    found += self._changed.images(canonical(path))
                elif path.is_file():
                    found.append(canonical(path))
                else:
                    return None
        except (UnsureError, OSError):
            return None
        kept = [path for path in (*known, *broken) if path not in self._changed]
        empty = [folder for folder in self._folders if not _has_image(folder, found, kept)]
        lost = any(below(path, folder) for folder in empty for path in known)
        if lost or not (found or len(empty) < len(self._folders)):
            return None
        return list(dict.fromkeys(found))

    def _find(self, known: Collection[str], left_out: LeftOut) -> list[str]:
        """Absolute paths of the images; never fewer because a disk is not there."""
        try:
            images = find_images(self._paths, left_out)
            found = [absolute(str(image.root), image.relative) for image in images]
        except UsageError:
            self._refuse_emptied([], known)
            raise
        self._refuse_emptied(found, known)
        return found

    def _refuse_emptied(self, found: Sequence[str], known: Collection[str]) -> None:
        for folder in self._folders if self._drop else []:
            if any(below(path, folder) for path in found):
                continue
            lost = sum(below(path, folder) is not None for path in known)
            if lost:
                raise UsageError(
                    f"{folder} has no images at all, but {lost:,} in the collection: is its disk "
                    "mounted?",
                    f"If they are gone for good: clr-search remove {self._catalog.folder} {folder}",
                )

    def _compare(
        self, found: list[str], known: dict[str, IndexedFile], broken: dict[str, SkippedFile]
    ) -> Plan:
        plan = Plan()
        there = set(found)
        found = found + self._unlisted(there, known, broken, plan)
        sizes = {item.size for item in known.values()}
        suspects: list[tuple[str, os.stat_result]] = []
        for path in found:
            status = status_of(path)
            item, entry = known.get(path), broken.get(path)
            if status is None:
                plan.embed.append(path)  # the pipeline finds the words for what is wrong with it
            elif item and (item.size, item.mtime_ns) == (status.st_size, status.st_mtime_ns):
                plan.unchanged += 1
            elif entry and (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns):
                plan.still_unreadable.append(entry)
            elif status.st_size in sizes:
                suspects.append((path, status))
            else:
                plan.embed.append(path)
        self._recognise(suspects, known, plan)
        _pair(plan, known)
        return plan

    def _unlisted(
        self,
        there: set[str],
        known: dict[str, IndexedFile],
        broken: dict[str, SkippedFile],
        plan: Plan,
    ) -> list[str]:
        """IndexedFile files of these folders that a search by suffix does not list.

        They are gone, or they are there all the same: given by name, lying in a hidden folder that
        was given, or in one that cannot be listed now.
        """
        still: list[str] = []
        for path in dict.fromkeys([*known, *broken]):
            if path in there or not any(below(path, folder) for folder in self._folders):
                continue
            if self._changed is not None and path not in self._changed:
                _keep(path, known, broken, plan)
            elif not is_missing(path):
                still.append(path)
            elif path in broken:
                plan.forgotten.append(path)
            elif self._drop:
                plan.vanished.append(known[path].id)
        return still

    def _recognise(
        self, suspects: list[tuple[str, os.stat_result]], known: dict[str, IndexedFile], plan: Plan
    ) -> None:
        """Look into files of a size that is known: the content may need no embedding."""
        if not suspects:
            return
        contents = {item.sha256 for item in known.values()}
        with self._reporter.task("Comparing", len(suspects), "files"):
            for path, status in suspects:
                try:
                    sha256 = sha256_file(Path(path))
                except OSError:
                    sha256 = ""
                item = known.get(path)
                if item and item.sha256 == sha256:
                    plan.touched.append((item.id, status.st_mtime_ns))
                    plan.unchanged += 1
                elif item is None and sha256 in contents:
                    plan.copies.append((path, status, sha256))
                else:
                    plan.embed.append(path)
                self._reporter.advance()


def _has_image(folder: str, found: Sequence[str], kept: Sequence[str]) -> bool:
    """Whether a search of a folder would find one, where only `found` may have changed."""
    return any(below(path, folder) for path in found) or any(
        is_image_name(os.path.basename(path))  # noqa: PTH119
        and not any(part.startswith(".") for part in way.split("/"))
        for path in kept
        if (way := below(path, folder))
    )


def _keep(
    path: str, known: dict[str, IndexedFile], broken: dict[str, SkippedFile], plan: Plan
) -> None:
    """A file of which it is known that nothing has happened to it."""
    if path in known:
        plan.unchanged += 1
    else:
        plan.still_unreadable.append(broken[path])


def refuse_replaced(before: dict[str, tuple[int, int] | None]) -> None:
    """Refuse folders whose `folder_identity` is no longer what it was before.

    A disk that goes away half way seems to have the pictures of its first half only.

    Raises
    ------
    UsageError
        If there is one.
    """
    for folder, was in before.items():
        if folder_identity(folder) != was:
            raise UsageError(
                f"{folder} went away while it was looked at; nothing has left the collection.",
                "Run the same command again when it is back.",
            )


def _pair(plan: Plan, known: dict[str, IndexedFile]) -> None:
    """Take new files for moved ones where an item of their content has lost its file."""
    vanished = set(plan.vanished)
    left: dict[str, list[int]] = {}
    for item in known.values():
        if item.id in vanished:
            left.setdefault(item.sha256, []).append(item.id)
    copies = plan.copies
    plan.copies = []
    for path, status, sha256 in copies:
        if left.get(sha256):
            plan.moved.append((path, status, left[sha256].pop(0)))
        else:
            plan.copies.append((path, status, sha256))
    moved = {number for _, _, number in plan.moved}
    plan.vanished = [number for number in plan.vanished if number not in moved]


def status_of(path: str) -> os.stat_result | None:
    """Size and times of a file, None where it cannot be had."""
    try:
        return os.stat(path)  # noqa: PTH116 -- a million of them
    except OSError:
        return None
