"""`LeftOut`: the files and folders that a search for images leaves out, to be reported."""

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
"""File formats of pictures that are not read, by the suffix in lower case."""


OUTSIDE = "a link that leads out of the folder"
NOWHERE = "a link that leads nowhere"
OTHER_NAME = "a picture by its content, but not by the ending of its name"
EXCLUDED = "excluded"
HIDDEN = "hidden: its name begins with a dot"
"""Why a file or folder is left out."""

_SENTENCES = {
    OUTSIDE: ("1 link leads", "{:,} links lead", "out of the folder", "--follow-links follows"),
    NOWHERE: ("1 link leads", "{:,} links lead", "nowhere", ""),
    OTHER_NAME: (
        "1 file is a picture,",
        "{:,} files are pictures,",
        "but not by the ending of the name",
        "--any-name takes",
    ),
    EXCLUDED: (
        "1 file or folder is",
        "{:,} files and folders are",
        "excluded",
        "--exclude none takes",
    ),
    HIDDEN: ("1 file or folder is", "{:,} files and folders are", "hidden", ""),
}
"""For each reason: the sentence of one and of more, its end, and the option that takes them."""


@dataclass(slots=True)
class LeftOut:
    """The files and folders that searches for images have left out.

    Attributes
    ----------
    folders : dict of str to str
        Folders that cannot be listed, with the reasons.
    unread : dict of str to str
        Files in formats that are not read, by their names, with the names of the formats.
    others : dict of str to str
        Files and folders that the selection leaves out, with the reasons: links out of the folder
        or to nothing, pictures whose names have another ending, what is excluded, and hidden
        pictures and folders.
    untold : list of str
        Paths whose pictures can change without any event at the path: symbolic links, which are
        followed all the same, and folders that cannot be listed.

    Examples
    --------
    >>> LeftOut(unread={"/photos/a.psd": "Photoshop"}).told()
    ['1 file passed over: Photoshop is not read; convert it to JPEG first.']
    """

    folders: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)

    def note(self, error: OSError) -> None:
        """Records a folder that cannot be listed; one that no longer exists is no error."""
        folder = str(error.filename)
        self.untold.append(folder)
        if not isinstance(error, FileNotFoundError):
            reason = (error.strerror or type(error).__name__).lower()
            self.folders[folder] = f"the folder cannot be listed: {reason}"

    def skipped(self) -> list[tuple[Path, str]]:
        """Returns the folders that cannot be listed, with the reasons, ordered by path."""
        return [(Path(folder), reason) for folder, reason in sorted(self.folders.items())]

    def kinds(self) -> tuple[tuple[str, int], ...]:
        """Returns the names of the formats that were passed over, with the numbers of files."""
        return tuple(sorted(Counter(self.unread.values()).items()))

    def told(self, *, options: bool = False) -> list[str]:
        """Returns sentences on all that is left out; with the options that take it, if asked."""
        lines = [f"{folder}: {reason}" for folder, reason in self.skipped()[:1]]
        if len(self.folders) > 1:
            lines[0] += f" (and {len(self.folders) - 1:,} more)"
        others = selected(tuple(self.others.items()), options=options)
        more = [*passed_over(self.kinds()), *others]
        return [f"{line}." for line in lines] + more


def passed_over(kinds: Collection[tuple[str, int]]) -> list[str]:
    """Returns a sentence on `LeftOut.kinds`, in a list that is empty if no file was passed over.

    Examples
    --------
    >>> passed_over([("JPEG XL", 2)])
    ['2 files passed over: JPEG XL is not read; convert them to JPEG first.']
    """
    names, counts = [kind for kind, _ in kinds], sum(count for _, count in kinds)
    if not counts:
        return []
    files, them = ("1 file", "it") if counts == 1 else (f"{counts:,} files", "them")
    verb = "is" if len(names) == 1 else "are"
    return [
        f"{files} passed over: {' and '.join(names)} {verb} not read; convert {them} to JPEG first."
    ]


def selected(others: Collection[tuple[str, str]], *, options: bool = False) -> list[str]:
    """Returns a sentence for each reason of `LeftOut.others`, with the option that takes them.

    Examples
    --------
    >>> selected([("/photos/a", OUTSIDE), ("/photos/b", OUTSIDE)], options=True)
    ['2 links lead out of the folder; --follow-links follows them.']
    """
    counts = Counter(reason for _, reason in others)
    lines = []
    for reason, (one, many, end, option) in _SENTENCES.items():
        if number := counts[reason]:
            remedy = f"; {option} {'it' if number == 1 else 'them'}" if options and option else ""
            lines.append(f"{one if number == 1 else many.format(number)} {end}{remedy}.")
    return lines
