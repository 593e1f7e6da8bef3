"""What a search for images leaves out, so that nothing is left out without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

UNREAD_SUFFIXES = {
    ".jp2": "JPEG 2000",
    ".jxl": "JPEG XL",
    ".psd": "Photoshop",
} | dict.fromkeys(".arw .cr2 .cr3 .dng .nef .orf .raf .rw2".split(), "camera raw")
"""Kinds of pictures that are not read, by the ends of their files' names (in lower case)."""


@dataclass(slots=True)
class LeftOut:
    """What was left out by some searches for images.

    Attributes
    ----------
    folders : dict of str to str
        Folders that cannot be listed, and why.
    unread : dict of str to str
        Files that are pictures by their names, of a kind that is not read, and that kind.
    untold : list of str
        Places whose pictures can change while nothing happens at their own paths, or nobody tells
        of it: symbolic links, and folders that cannot be listed. (Links are not left out.)
    """

    folders: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)

    def note(self, error: OSError) -> None:
        """Take down a folder that cannot be listed; one that has gone meanwhile is no loss."""
        folder = str(error.filename)
        self.untold.append(folder)
        if not isinstance(error, FileNotFoundError):
            reason = (error.strerror or type(error).__name__).lower()
            self.folders[folder] = f"the folder cannot be listed: {reason}"

    def skipped(self) -> list[tuple[Path, str]]:
        """Folders that cannot be listed, with their reasons, by path."""
        return [(Path(folder), reason) for folder, reason in sorted(self.folders.items())]

    def kinds(self) -> tuple[tuple[str, int], ...]:
        """Kinds of pictures that were passed over, and how many files they are."""
        return tuple(sorted(Counter(self.unread.values()).items()))

    def told(self) -> list[str]:
        """Both in sentences."""
        lines = [f"{folder}: {reason}" for folder, reason in self.skipped()[:1]]
        if len(self.folders) > 1:
            lines[0] += f" (and {len(self.folders) - 1:,} more)"
        return [f"{line}." for line in lines] + passed_over(self.kinds())


def passed_over(kinds: Collection[tuple[str, int]]) -> list[str]:
    """A line on `Overlooked.kinds`; none where there is nothing to say."""
    names, counts = [kind for kind, _ in kinds], sum(count for _, count in kinds)
    if not counts:
        return []
    files, them = ("1 file", "it") if counts == 1 else (f"{counts:,} files", "them")
    verb = "is" if len(names) == 1 else "are"
    return [
        f"{files} passed over: {' and '.join(names)} {verb} not read; convert {them} to JPEG first."
    ]
