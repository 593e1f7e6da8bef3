"""Questions of the Label tab: classes, labels, what is learnt of them, and what to label next."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import MOST_ROWS, Asked
from clr_search.app.teaching.views import SHOWN, listed
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.app.library.permissions import Permissions
    from clr_search.app.teaching.finishing import Finishing
    from clr_search.app.teaching.lesson import Lesson
    from clr_search.app.teaching.teacher import Teacher

MOST_PROPOSED = 60
"""Largest number of pictures that are proposed at a time."""

MOST_SKIPPED = 2000
"""Largest number of pictures that a visitor does not want to be proposed again."""

_LISTS = 32  # lists whose further rows can be asked for
_MOST_TOLD = 2000  # labels in one answer
_MOST_CELLS = 30  # classes in a confusion matrix


class Labelling:
    """The questions of the tab.

    Parameters
    ----------
    teacher : Teacher
        The labels, and what is learnt from them.
    finishing : Finishing
        The classifiers that are saved.
    permissions : Permissions
        What visitors may see and do.
    """

    def __init__(self, teacher: Teacher, finishing: Finishing, permissions: Permissions) -> None:
        self._teacher, self._finishing, self._permissions = teacher, finishing, permissions
        self._lists: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()

    def lesson(self, _: Asked) -> Answer:
        """Return the classes, and how well they are learnt."""
        return self._learnt(self._teacher.lesson())

    def label(self, asked: Asked) -> Answer:
        """Give pictures labels, or take them away; answer as `lesson` does, with `undo`."""
        self._permissions.require("write")
        labels: dict[int, str | None] = {}
        for part in asked.parts("changes", 64):
            name = part.text("label", 200)
            labels.update(dict.fromkeys(part.items("ids"), name or None))
        if not labels:
            raise UsageError("No pictures are chosen.", "Choose some in the grid.")
        undo = self._teacher.change(labels)
        return {**self._learnt(self._teacher.lesson()), "undo": undo, "changed": len(labels)}

    def rename(self, asked: Asked) -> Answer:
        """Rename a class, join it to another one, or take its label away; as `label`."""
        self._permissions.require("write")
        undo = self._teacher.rename(asked.text("label", 200), asked.text("new", 200) or None)
        return {**self._learnt(self._teacher.lesson()), "undo": undo}

    def relabel(self, asked: Asked) -> Answer:
        """Take all labels away, or give all pictures those of their folders; as `label`."""
        self._permissions.require("write")
        undo = self._teacher.change_all(
            to_folders=asked.choice("to", ("none", "folders")) != "none"
        )
        return {**self._learnt(self._teacher.lesson()), "undo": undo}

    def undo(self, asked: Asked) -> Answer:
        """Undo a change of labels; answer as `lesson` does, with the labels, if they are few."""
        self._permissions.require("write")
        back = self._teacher.undo(asked.token("undo"))
        few = (
            [[number, label] for number, label in back.items()] if len(back) <= _MOST_TOLD else None
        )
        return {**self._learnt(self._teacher.lesson()), "changed": len(back), "labels": few}

    def proposals(self, asked: Asked) -> Answer:
        """Return the rows of the pictures to label next."""
        count = asked.count("count", 1, MOST_PROPOSED, 24)
        skipped = np.array(asked.items("skip", MOST_SKIPPED), np.int64)
        lesson = self._teacher.lesson()
        places = lesson.propose(count, skipped, secrets.randbits(32))
        return {"rows": self._rows(lesson, places)}

    def pictures(self, asked: Asked) -> Answer:
        """Return rows of a list, such as all pictures of a class, and how many it has.

        The list stays as it was for further rows, which are asked for by its name `list`.
        """
        offset = asked.count("offset", 0, 2**53, 0)
        count = asked.count("count", 0, MOST_ROWS, 48)
        lesson, name = self._teacher.lesson(), asked.token("list")
        with self._lock:
            ids = self._lists.get(name or "")
        if ids is None or name is None:
            show = asked.choice("show", SHOWN)
            places = listed(lesson, self._finishing, show, asked.text("of"), asked.text("as"))
            ids, name = lesson.held.ids[places], secrets.token_urlsafe(12)
            with self._lock:
                self._lists[name] = ids
                while len(self._lists) > _LISTS:
                    self._lists.popitem(last=False)
        part = ids[offset : offset + count]
        return {"list": name, "total": len(ids), "rows": self._rows_of(lesson, part)}

    def confusion(self, _: Asked) -> Answer:
        """Return what classes are taken for, as a matrix and as the most frequent mistakes."""
        lesson = self._teacher.lesson()
        measured = lesson.measured
        if measured is None:
            return {"classes": [], "matrix": [], "mistakes": [], "all": len(lesson.classes)}
        matrix = measured.confusion
        wrong = matrix - np.diag(np.diag(matrix))
        worst = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:_MOST_CELLS]
        shown = np.sort(worst)
        order = np.argsort(-wrong, axis=None, kind="stable")[:20]
        pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return {
            "classes": [lesson.classes[at] for at in shown],
            "matrix": matrix[np.ix_(shown, shown)].tolist(),
            "all": len(lesson.classes),
            "mistakes": [
                {
                    "of": lesson.classes[row],
                    "as": lesson.classes[column],
                    "count": int(wrong[row, column]),
                }
                for row, column in pairs
                if wrong[row, column]
            ],
        }

    def _learnt(self, lesson: Lesson) -> Answer:
        """Return what the page shows of a lesson."""
        began = time.perf_counter()
        measured = lesson.measured
        right = measured.confusion.diagonal() if measured else lesson.counts * 0
        tried = measured.confusion.sum(axis=1) if measured else lesson.counts * 0
        facts: Answer = (
            {}
            if measured is None
            else {
                "accuracy": measured.right / len(measured.places),
                "interval": measured.interval,
                "chance": 1 / len(lesson.classes),
                "majority": measured.majority,
                "measured": len(measured.places),
            }
        )
        counts = zip(lesson.classes, lesson.counts, tried, right, strict=True)
        return {
            "number": lesson.number,
            "total": len(lesson.held.ids),
            "labelled": int(lesson.counts.sum()),
            "given": lesson.given,
            "classes": [
                {"name": name, "count": int(n), "measured": int(m), "right": int(r)}
                for name, n, m, r in counts
            ],
            **facts,
            "seconds": round(time.perf_counter() - began, 4),
            "saved": self._finishing.of(lesson) is not None,
        }

    def _rows_of(self, lesson: Lesson, ids: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the rows of ids, some of which may be gone."""
        places = lesson.held.places(ids)
        if len(places) == len(ids):
            return self._rows(lesson, places)
        rows = {row["id"]: row for row in self._rows(lesson, places)}
        return [rows.get(number, {"id": number}) for number in ids.tolist()]

    def _rows(self, lesson: Lesson, places: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return rows, each with what the picture is taken for."""
        rows = self._teacher.library.rows(lesson.held.ids[places].tolist())
        for row, guess in zip(rows, lesson.guesses(places), strict=True):
            if guess is not None:
                row["guess"], row["sure"] = guess[0], round(guess[1], 3)
        return rows
