"""Lists of pictures that a person looks at while labelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clr_search.app.teaching.finishing import Finishing
    from clr_search.app.teaching.lesson import Judged, Lesson, Positions

SHOWN = ("none", "class", "doubt", "wrong", "cell", "guess", "novel")
"""The lists: pictures without a label, those of a class, the least certain ones, those that are
likely mislabelled, those of one class that are taken for another, those without a label that are
taken for a class, and those that are of none."""

_NONE = np.empty(0, np.int64)


def listed(
    lesson: Lesson, finishing: Finishing, show: str, name: str = "", other: str = ""
) -> Positions:
    """Return the positions of the pictures of a list, in its order.

    Parameters
    ----------
    lesson : Lesson
        What is learnt of the labels.
    finishing : Finishing
        The classifiers that are saved.
    show : str
        One of `SHOWN`.
    name, other : str
        The class that the list is of; the class that it is taken for, in a cell.
    """
    if show == "none":
        return np.flatnonzero(lesson.codes < 0)
    if show == "class":
        return np.flatnonzero(lesson.codes == lesson.number_of(name))
    if show == "cell":
        return _cell(lesson, name, other)
    if show in ("guess", "novel"):
        classes, judged = judgement(lesson, finishing)
        if judged is None:
            return _NONE
        return _guessed(lesson, judged, classes.index(name) if name in classes else -1, show)
    judged = lesson.judged()
    if judged is None:
        return _NONE
    if show == "doubt":
        return np.argsort(-judged.doubt, kind="stable").astype(np.int64)
    # Likely mislabelled: another class is more probable than the picture's own label.
    gap = np.where(lesson.codes >= 0, judged.share - judged.own, 0)
    found = np.flatnonzero((gap > 0) & (judged.best != lesson.codes))
    return np.asarray(found[np.argsort(-gap[found], kind="stable")], np.int64)


def judgement(lesson: Lesson, finishing: Finishing) -> tuple[tuple[str, ...], Judged | None]:
    """Return the names of classes, and what all pictures are taken for.

    It is by the classifier that is saved, if it is of these labels, or else by the one that learns
    at once; None where there is neither.
    """
    finished = finishing.of(lesson)
    if finished is not None:
        return finished.fitted.classes, finishing.judged(finished)
    return lesson.classes, lesson.judged()


def _cell(lesson: Lesson, name: str, other: str) -> Positions:
    """Return the measured pictures of a class that are taken for another, or for itself."""
    measured = lesson.measured
    if measured is None:
        return _NONE
    row, column = lesson.number_of(name), lesson.number_of(other)
    return np.asarray(measured.places[(measured.true == row) & (measured.best == column)], np.int64)


def _guessed(lesson: Lesson, judged: Judged, number: int, show: str) -> Positions:
    """Return pictures without a label that are taken for a class, or are of none, surest first."""
    open_ = lesson.codes < 0
    novel = np.zeros(len(open_), bool) if judged.novel is None else judged.novel
    chosen = open_ & novel if show == "novel" else open_ & ~novel & (judged.best == number)
    found = np.flatnonzero(chosen)
    return np.asarray(found[np.argsort(-judged.share[found], kind="stable")], np.int64)
