"""`Teacher`: the labels of a collection as visitors see and change them, and what is learnt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clr_search.app.teaching.changes import Change, Changes
from clr_search.app.teaching.lesson import Held, Lesson
from clr_search.errors import UsageError
from clr_search.files.names import composed
from clr_search.index.catalog.lock import LockedError

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.index import Index

LONGEST = 100
"""Largest number of characters in the name of a class."""

MOST_CLASSES = 1000
"""Largest number of classes that are taught: each needs its own coefficients."""

PATIENCE = 3.0
"""Seconds for which a change waits for another process that writes to the collection."""


class Teacher:
    """Labels and what is learnt from them; it is safe to use from several threads.

    The vectors of the collection are read once, and labels are followed, so that a label and what
    is learnt from it take no time that a person notices.

    Parameters
    ----------
    library : Library
        The collection.
    folder : Path
        A private folder for classifiers that are saved.
    """

    def __init__(self, library: Library, folder: Path) -> None:
        self.library, self.folder = library, folder
        self._lock = threading.RLock()
        self._changes = Changes()
        self._lesson: Lesson | None = None
        self._version: object = None

    def lesson(self) -> Lesson:
        """Return what is learnt from the labels as they are.

        Raises
        ------
        ClrSearchError
            If there are too many classes.
        """
        with self._lock:
            version = self.library.version()  # asked before labels are read, and so never too new
            if self._lesson is None or version is None or version != self._version:
                self._lesson, self._version = self._read(), version
            return self._lesson

    def change(self, labels: Mapping[int, str | None]) -> str:
        """Give pictures other labels in the collection, and return the token that undoes it.

        Raises
        ------
        UsageError
            If a name is too long, or another process writes to the collection.
        ClrSearchError
            If a picture is no longer in the collection; nothing is changed then.
        """
        named = {
            number: None if name is None else class_name(name) for number, name in labels.items()
        }

        def relabel(index: Index) -> tuple[Change, bool]:
            given = index.labels_are_given()
            return Change(index.relabel(named), named, from_folders=not given), True

        return self._written(relabel)

    def change_all(self, *, to_folders: bool) -> str:
        """Take away all labels, or give all pictures the names of their folders; see `change`."""

        def relabel(index: Index) -> tuple[Change, bool]:
            ids, given = index.ids() if len(index) else [], index.labels_are_given()
            before = dict(zip(ids, index.labels(), strict=True))
            index.label(None if to_folders else {})
            after = dict(zip(ids, index.labels(), strict=True))
            return Change(before, after, from_folders=not given), False

        return self._written(relabel)

    def rename(self, name: str, new: str | None) -> str:
        """Give a class another name, or take the label of its pictures away; see `change`."""
        lesson = self.lesson()
        places = np.flatnonzero(lesson.codes == lesson.number_of(name))
        if not len(places):
            raise UsageError(f"No picture has the label {name}.", "Load the page again.")
        return self.change(dict.fromkeys(lesson.held.ids[places].tolist(), new))

    def undo(self, token: str | None) -> dict[int, str | None]:
        """Undo a change where labels are still what it made them; return those that are back.

        Raises
        ------
        ClrSearchError
            If it can no longer be undone.
        """
        change, alone = self._changes.take(token)
        restored: dict[int, str | None] = {}

        def relabel(index: Index) -> tuple[Change, bool]:
            now = index.known_items(list(change.after))
            restored.update(
                (number, change.before[number])
                for number, item in now.items()
                if item.label == change.after[number]
            )
            index.relabel(restored)
            if change.from_folders and alone and len(restored) == len(change.after):
                index.label(None)  # Nothing else was said: they are the names of folders again.
                return Change({}, {}, from_folders=False), False
            return Change({}, restored, from_folders=False), True

        self._written(relabel, remember=False)
        return restored

    def _written(
        self, change: Callable[[Index], tuple[Change, bool]], *, remember: bool = True
    ) -> str:
        """Change the collection while nobody else can, and follow the change; return its token.

        `change` also returns whether only the labels that it names have changed.
        """
        from clr_search.index import Index

        with self._lock:
            with self._opened(Index) as index:
                followed = self._version is not None and self._version == self.library.version()
                made, only = change(index)
                # Asked while the collection is locked: a change of another process is not missed.
                self._version = self.library.version() if followed and only else None
            if self._version is not None and self._lesson is not None:
                self._lesson = _after(self._lesson, made.after)
            return self._changes.add(made) if remember else ""

    def _opened(self, kind: type[Index]) -> Index:
        """Open the collection for writing, as soon as no other process does."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return kind.open(self.library.index.path, writable=True, mend=False)
            except LockedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _read(self) -> Lesson:
        """Read the labels, and vectors where they have changed, beside what others do."""
        held = self._lesson.held if self._lesson else None
        with self.library.aside() as aside, aside.snapshot():
            state, labels = aside.embedded_state(), aside.labels()
            if held is None or held.state != state:
                ids, vectors = aside.vectors()
                held = Held(state, ids, vectors.astype(np.float16))
            given = aside.labels_are_given()
        number = self._lesson.number + 1 if self._lesson else 1
        return _lesson(number, held, labels, given=given)


def class_name(name: str) -> str:
    """Return the name of a class as it is stored.

    Raises
    ------
    UsageError
        If it is empty or too long, or has characters that cannot be seen.
    """
    name = composed(" ".join(name.split()))
    if not name or len(name) > LONGEST or not name.isprintable():
        raise UsageError(
            f"A class cannot be called {name[:LONGEST]!r}.",
            f"Give it a name of 1 to {LONGEST} letters.",
        )
    return name


def _lesson(number: int, held: Held, labels: Sequence[str | None], *, given: bool) -> Lesson:
    """Return the lesson of labels, in the order of the ids."""
    classes = tuple(sorted({label for label in labels if label}))
    if len(classes) > MOST_CLASSES:
        raise UsageError(
            f"The collection has {len(classes):,} labels; {MOST_CLASSES:,} can be taught.",
            "Take all labels away to start anew, or give fewer with a table.",
        )
    numbers = {name: at for at, name in enumerate(classes)}
    codes = np.fromiter((numbers.get(label or "", -1) for label in labels), np.int32, len(labels))
    return Lesson(number, held, classes, codes, given)


def _after(lesson: Lesson, changed: Mapping[int, str | None]) -> Lesson:
    """Return the lesson after a change of some labels."""
    names = [
        *lesson.classes,
        *sorted({name for name in changed.values() if name} - {*lesson.classes}),
    ]
    numbers = {name: at for at, name in enumerate(names)}
    codes = lesson.codes.copy()
    ids = np.fromiter(changed, np.int64, len(changed))
    new = [-1 if name is None else numbers[name] for name in changed.values()]
    codes[np.searchsorted(lesson.held.ids, ids)] = new
    # Numbers of classes are in the order of their names, without those that are no more.
    used = np.unique(codes[codes >= 0]).tolist()
    kept = sorted((names[at], at) for at in used)
    table = np.full(len(names) + 1, -1, np.int32)
    for place, (_, at) in enumerate(kept):
        table[at] = place
    classes = tuple(name for name, _ in kept)
    return Lesson(lesson.number + 1, lesson.held, classes, table[codes], True)
