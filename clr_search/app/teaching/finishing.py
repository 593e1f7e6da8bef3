"""`Finishing`: the classifier that is saved, fitted with care, once a person has labelled."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.app.teaching.lesson import Judged, Lesson, judge
from clr_search.app.teaching.ridge import Floats
from clr_search.errors import ClrSearchError
from clr_search.serve.probe.few_shot import FEW, fit_shots
from clr_search.serve.probe.fit import fit_probe

if TYPE_CHECKING:
    from clr_search.app.teaching.teacher import Teacher
    from clr_search.serve.probe.fitted import FittedProbe

logger = logging.getLogger(__name__)

MOST_SHOTS = 500
"""Number of labelled pictures up to which each is left out in turn where a class has few."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A classifier that is fitted and saved.

    Attributes
    ----------
    lesson : Lesson
        The labels that it was fitted on.
    fitted : FittedProbe
        The classifier with its measures.
    path : Path
        Its `probe.onnx`.
    seconds : float
        Time that it took.
    """

    lesson: Lesson
    fitted: FittedProbe
    path: Path
    seconds: float

    def classify(self, x: Floats) -> tuple[Floats, NDArray[np.bool_] | None]:
        """Return class probabilities of vectors, and which are of none of the classes."""
        chances = self.fitted.estimator.probabilities(x).astype(np.float32)
        novelty = self.fitted.novelty
        return chances, None if novelty is None else novelty.of(x) > 1


class Finishing:
    """Fits classifiers, one at a time, beside what visitors do.

    Parameters
    ----------
    teacher : Teacher
        The labels.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self._lock = threading.Lock()
        self._since: float | None = None
        self._finished: Finished | None = None
        self._judged: tuple[Finished, Judged] | None = None
        self._failure: ClrSearchError | None = None
        self._made = 0

    def start(self) -> None:
        """Fit a classifier on the labels as they are, unless one is being fitted."""
        lesson = self._teacher.lesson()
        with self._lock:
            if self._since is not None:
                return
            self._since, self._failure = time.monotonic(), None
            self._made += 1
        work = threading.Thread(target=self._run, args=(lesson, self._made), daemon=True)
        work.start()

    def running(self) -> float | None:
        """Return for how many seconds a classifier has been fitted; None if none is.

        Raises
        ------
        ClrSearchError
            If the last one could not be fitted, which is said once.
        """
        with self._lock:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None if self._since is None else time.monotonic() - self._since

    def newest(self) -> Finished | None:
        """Return the classifier that was fitted last, if any."""
        with self._lock:
            return self._finished

    def of(self, lesson: Lesson) -> Finished | None:
        """Return the classifier of these labels; None where they have changed since."""
        finished = self.newest()
        return finished if finished is not None and same(finished.lesson, lesson) else None

    def judged(self, finished: Finished) -> Judged:
        """Return what a classifier takes all pictures for."""
        with self._lock:
            known = self._judged
        if known is not None and known[0] is finished:
            return known[1]
        classes = finished.fitted.classes
        numbers = {name: at for at, name in enumerate(classes)}
        table = np.array(
            [numbers.get(name, -1) for name in finished.lesson.classes] + [-1], np.int32
        )
        judged = judge(finished.lesson.held, table[finished.lesson.codes], finished.classify)
        with self._lock:
            self._judged = finished, judged
        return judged

    def _run(self, lesson: Lesson, number: int) -> None:
        """Fit and save a classifier, or remember why it could not be done."""
        began = time.perf_counter()
        try:
            finished = self._fit(lesson, number, began)
            with self._lock:
                old, self._finished = self._finished, finished
            if old is not None:
                old.path.unlink(missing_ok=True)
        except ClrSearchError as error:
            self._failure = error
        except Exception:
            logger.exception("fitting a classifier failed")
            self._failure = ClrSearchError("The classifier could not be fitted; the log says why.")
        finally:
            with self._lock:
                self._since = None

    def _fit(self, lesson: Lesson, number: int, began: float) -> Finished:
        """Fit a classifier on all labels, and write its file."""
        from clr_search.serve.probe import save_probe

        chosen = np.flatnonzero(lesson.codes >= 0)
        names: list[str | None] = [lesson.classes[code] for code in lesson.codes[chosen].tolist()]
        few = min(Counter(names).values(), default=0) < FEW and len(names) <= MOST_SHOTS
        fitted = (fit_shots if few else fit_probe)(lesson.held.rows(chosen), names)
        with self._teacher.library.reading() as index:
            encoder = index.encoder.path
        path = self._teacher.folder / f"probe-{number}.onnx"
        save_probe(fitted, encoder, path)
        return Finished(lesson, fitted, path, time.perf_counter() - began)


def same(one: Lesson, other: Lesson) -> bool:
    """Return whether two lessons are of the same pictures and labels."""
    if one is other:
        return True
    return (
        one.held is other.held
        and one.classes == other.classes
        and bool(np.array_equal(one.codes, other.codes))
    )
