"""Comparing a collection with the files on disk, to plan what an update has to do."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from clr_search.errors import UsageError, require
from clr_search.files.finding.find import find_images
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import DEFAULT
from clr_search.files.stores.address import ObjectPath, is_address, located
from clr_search.files.stores.failures import told_whole
from clr_search.files.write import sha256_file
from clr_search.images import DECODING, may_fit_now
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import (
    KnownFolders,
    PathSet,
    absolute,
    among_objects,
    below,
    canonical,
    folder_identity,
    is_missing,
)
from clr_search.index.catalog.paths import status_of as status_of  # also known from here
from clr_search.index.catalog.records import IndexedFile, SkippedFile, time_of
from clr_search.index.sync import roots
from clr_search.index.sync.changes import Changes, UnsureError, has_image
from clr_search.index.sync.report import Plan
from clr_search.progress import Reporter

_MARGIN_NS = 2 * 10**9  # by which a look counts as earlier, since times on disks are coarse


class Survey:
    """A comparison of some paths with the catalogue; it changes nothing but the roots.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    paths : sequence of path
        Folders and files.
    drop : bool
        Whether items whose files have vanished from these folders are to leave.
    reporter : Reporter
        The reporter that shows the progress.
    changed : Changes, optional
        The paths that may have changed, while all others are as they were; the survey looks at
        everything if these are not enough.
    verify : bool
        Whether to compare the content of every item, also where size and times are as they were.
    """

    def __init__(
        self,
        catalog: Catalog,
        paths: Sequence[Path | str],
        *,
        drop: bool,
        reporter: Reporter,
        changed: Changes | None = None,
        verify: bool = False,
    ) -> None:
        self._catalog = catalog
        self._verify = verify
        self._began_ns = time.time_ns() - _MARGIN_NS
        self._paths: list[Path] = []
        self._folders: list[str] = []
        self._drop = drop
        self._reporter = reporter
        self._changed = changed
        self._try_all = False
        self._looked_at: dict[str, int] = {}
        self._listed: dict[str, os.stat_result] = {}  # what the lists of stores tell
        self._last_looks: PathSet | None = None
        self._selection = DEFAULT
        self._take(paths)

    def _take(self, paths: Sequence[Path | str]) -> None:
        """Stores the given paths; another spelling of a root becomes that root (`KnownFolders`)."""
        with self._catalog.reading():
            spellings = KnownFolders(root.path for root in self._catalog.roots())
        for path in map(located, paths):
            if isinstance(path, ObjectPath):
                self._take_object(path)
                continue
            is_folder, resolved = path.is_dir(), canonical(path)
            folder = resolved if is_folder else os.path.dirname(resolved)  # noqa: PTH120
            known_folder = spellings.of(folder)
            if known_folder != folder:
                resolved = known_folder if is_folder else absolute(known_folder, path.name)
                path = Path(resolved)
                self._changed = None  # these paths have the other spelling
            self._paths.append(path)
            if is_folder:
                self._folders.append(resolved)

    def _take_object(self, path: ObjectPath) -> None:
        """Stores an address: a prefix, unless there is an object of exactly this key."""
        require("obstore", "stores")
        with told_whole():
            is_prefix = not path.is_file()
        self._paths.append(path)
        self._changed = None  # no store tells of changes
        if is_prefix:
            self._folders.append(str(path))

    def plan(self) -> tuple[Plan, dict[str, IndexedFile]]:
        """Compare the paths with the catalogue.

        Returns
        -------
        plan : Plan
            The changes that an update has to make.
        known : dict of str to IndexedFile
            All items of the collection, by absolute path.

        Raises
        ------
        UsageError
            If a path does not exist, no image is found, or, with `drop`, a folder has no image any
            more though its pictures are in the collection, or goes away during the survey.
        """
        with self._catalog.reading():
            known = self._catalog.known()
            broken = {entry.path: entry for entry in self._catalog.skipped()}
            self._looked_at = self._catalog.looked_at()
            self._selection = self._catalog.selection()
            # What an older release could not read, this one may.
            self._try_all = self._catalog.facts().decoding_tried < DECODING
        before = {folder: folder_identity(folder) for folder in self._folders}
        left_out = LeftOut()
        images = self._find_changed(known, broken)
        if images is None:
            self._changed = None
            images = self._find(known, left_out)
        with self._catalog.writing():
            for folder in self._folders:
                roots.give(self._catalog, folder)
        plan = self._compare(images, known, broken)
        plan.left_out = left_out
        if plan.vanished:
            roots.refuse_replaced(before)
        return plan, known

    def _find_changed(self, known: Collection[str], broken: Collection[str]) -> list[str] | None:
        """Returns absolute paths of the images that may have changed, in the order of `_find`.

        Returns None if all files must be looked at, which includes whatever `_find` refuses.
        """
        if self._changed is None:
            return None
        found: list[str] = []
        try:
            for path in self._paths:
                if path.is_dir():
                    found += self._changed.images(canonical(path), self._selection)
                elif path.is_file():
                    found.append(canonical(path))
                else:
                    return None
        except (UnsureError, OSError):
            return None
        unchanged = [path for path in (*known, *broken) if path not in self._changed]
        named = not self._selection.any_name
        empty = [f for f in self._folders if not has_image(f, found, unchanged, named=named)]
        is_emptied = any(below(path, folder) for folder in empty for path in known)
        if is_emptied or not (found or len(empty) < len(self._folders)):
            return None
        return list(dict.fromkeys(found))

    def _find(self, known: Collection[str], left_out: LeftOut) -> list[str]:
        """Returns absolute paths of all images; refuses folders that an absent disk has emptied."""
        try:
            images = find_images(self._paths, left_out, self._selection)
            image_paths = [absolute(str(image.root), image.relative) for image in images]
            self._listed = {
                path: image.status
                for path, image in zip(image_paths, images, strict=True)
                if image.status is not None
            }
        except UsageError:
            self._refuse_emptied([], known)
            raise
        self._refuse_emptied(image_paths, known)
        return image_paths

    def _refuse_emptied(self, found: Sequence[str], known: Collection[str]) -> None:
        """Refuses a folder without images that has items, if items of vanished files leave."""
        for folder in self._folders if self._drop else []:
            if any(below(path, folder) for path in found):
                continue
            lost = sum(below(path, folder) is not None for path in known)
            if lost:
                doubt = "is it the right prefix" if is_address(folder) else "is its disk mounted"
                raise UsageError(
                    f"{folder} has no images at all, but {lost:,} in the collection: {doubt}?",
                    f"If they are gone for good: clr-search remove {self._catalog.folder} {folder}",
                )

    def _compare(
        self, found: list[str], known: dict[str, IndexedFile], broken: dict[str, SkippedFile]
    ) -> Plan:
        """Returns the plan for the images found, by size and time first and then by content."""
        plan = Plan()
        listed = set(found)
        found = found + self._unlisted(listed, known, broken, plan)
        sizes = {item.size for item in known.values()}
        lost = set(plan.vanished)
        lost_sizes = {item.size for item in known.values() if item.id in lost}
        suspects: list[tuple[str, os.stat_result]] = []
        for path in found:
            status = self._listed.get(path) or status_of(path)
            item, entry = known.get(path), broken.get(path)
            if status is None:
                plan.embed.append(path)  # the pipeline reports why it cannot be read
            elif item and self._is_as_it_was(path, item, status):
                plan.unchanged += 1
            elif entry and self._stays(entry, status):
                plan.still_unreadable.append(entry)
            # An object is read over a network, so that it is not read twice to find a mere copy.
            elif status.st_size in (lost_sizes if item is None and is_address(path) else sizes):
                suspects.append((path, status))
            else:
                plan.embed.append(path)
        plan.tried_all = self._try_all and not broken.keys() - {*found, *plan.forgotten}
        self._recognise(suspects, known, plan)
        self._find_moved(known, plan)
        plan.pair(known)
        return plan

    def _is_as_it_was(self, path: str, item: IndexedFile, status: os.stat_result) -> bool:
        """Whether a file has the size and time of its item, and nothing tells of another content.

        Some programs write a file and give it the time back that it had. The time of the last
        change of its entry (ctime) is one that no program sets: if it is newer than the last look
        at the folder, the content is compared.
        """
        if self._verify or (item.size, item.mtime_ns) != (status.st_size, time_of(status)):
            return False
        if self._last_looks is None:
            self._last_looks = PathSet(self._looked_at)
        looks = self._last_looks.containing(path)
        return not looks or status.st_ctime_ns <= max(self._looked_at[folder] for folder in looks)

    def looked(self) -> tuple[list[str], int] | None:
        """Returns the folders that were looked at as a whole, and when; None if none was."""
        return (self._folders, self._began_ns) if self._changed is None else None

    def _find_moved(self, known: dict[str, IndexedFile], plan: Plan) -> None:
        """Enters pictures of folders that are gone as moved, if most of them are found here."""
        if not plan.copies:
            return
        with self._catalog.reading():
            gone = roots.gone_with_items(self._catalog, known, self._folders)
        for root in gone:
            lost: dict[str, list[int]] = {}
            for path, item in known.items():
                if below(path, root.path):
                    lost.setdefault(item.sha256, []).append(item.id)
            number = sum(map(len, lost.values()))
            moved, copies = [], []
            for path, status, sha256 in plan.copies:
                if lost.get(sha256):
                    moved.append((path, status, lost[sha256].pop(0)))
                else:
                    copies.append((path, status, sha256))
            if 2 * len(moved) < number:
                continue
            plan.moved += moved
            plan.copies = copies
            self._reporter.message(
                f"{root.path} is gone; these are {len(moved):,} of its {number:,} pictures, moved."
            )

    def _stays(self, entry: SkippedFile, status: os.stat_result) -> bool:
        """Whether a skipped file is as it was, and cannot be read by the limits of today either."""
        same = (entry.size, entry.mtime_ns) == (status.st_size, time_of(status))
        return same and not self._try_all and not may_fit_now(entry.reason)

    def _unlisted(
        self,
        listed: set[str],
        known: dict[str, IndexedFile],
        broken: dict[str, SkippedFile],
        plan: Plan,
    ) -> list[str]:
        """Returns known files of these folders that exist, but that a search did not list.

        Such files were given by name, or lie in a hidden folder that was given or in a folder that
        cannot be listed now. The files that are gone are entered into the plan.
        """
        present: list[str] = []
        unlisted = [
            path
            for path in dict.fromkeys([*known, *broken])
            if path not in listed and any(below(path, folder) for folder in self._folders)
        ]
        gone = among_objects(lambda path: is_address(path) and is_missing(path), unlisted)
        for path, is_gone in zip(unlisted, gone, strict=True):
            if self._changed is not None and path not in self._changed:
                _keep(path, known, broken, plan)
            elif not (self._drop and self._is_excluded(path)) and not (
                is_gone if is_address(path) else is_missing(path)
            ):
                present.append(path)
            elif path in broken:
                plan.forgotten.append(path)
            elif self._drop:
                plan.vanished.append(known[path].id)
        return present

    def _is_excluded(self, path: str) -> bool:
        """Whether a file lies in one of these folders, and is left out of all that it lies in."""
        relatives = [below(path, folder) for folder in self._folders]
        inside = [relative for relative in relatives if relative]
        return all(map(self._selection.excludes_within, inside))

    def _recognise(
        self, suspects: list[tuple[str, os.stat_result]], known: dict[str, IndexedFile], plan: Plan
    ) -> None:
        """Hashes files of a size that some item has: known content needs no embedding."""
        if not suspects:
            return
        contents = {item.sha256 for item in known.values()}
        with self._reporter.task("Comparing", len(suspects), "files"):
            hashes = among_objects(_content_of, [path for path, _ in suspects])
            for (path, status), sha256 in zip(suspects, hashes, strict=True):
                item = known.get(path)
                if item and item.sha256 == sha256:
                    if item.mtime_ns != time_of(status):
                        plan.touched.append((item.id, time_of(status)))
                    plan.unchanged += 1
                elif item is None and sha256 in contents:
                    plan.copies.append((path, status, sha256))
                else:
                    plan.embed.append(path)
                self._reporter.advance()


def _content_of(path: str) -> str:
    """Returns the SHA-256 of a file or object; "" where it cannot be read."""
    try:
        return sha256_file(located(path))
    except OSError:
        return ""


def _keep(
    path: str, known: dict[str, IndexedFile], broken: dict[str, SkippedFile], plan: Plan
) -> None:
    """Enters a file into the plan that is known to be as it was."""
    if path in known:
        plan.unchanged += 1
    else:
        plan.still_unreadable.append(broken[path])
