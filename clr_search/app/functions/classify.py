"""Questions on classes: of a picture, of the whole collection; and the classifier to take away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from clr_search import images
from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import Asked, Term
from clr_search.app.teaching.views import judgement
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.app.teaching.finishing import Finished, Finishing
    from clr_search.app.teaching.teacher import Teacher
    from clr_search.serve import Probe

SHOWN = 10
"""Largest number of classes that are told of a picture, the most probable first."""


class Classifying:
    """The questions.

    Parameters
    ----------
    teacher : Teacher
        The labels, and what is learnt from them.
    finishing : Finishing
        The classifiers that are saved.
    probe : Probe or None
        The classifier that the app was started with.
    """

    def __init__(self, teacher: Teacher, finishing: Finishing, probe: Probe | None) -> None:
        self._teacher, self._finishing, self._probe = teacher, finishing, probe

    def classifiers(self, _: Asked) -> Answer:
        """Return which classifiers there are: the one that was given, and that of the labels."""
        lesson = self._teacher.lesson()
        return {"given": self._probe is not None, "taught": lesson.ridge is not None}

    def classify(self, asked: Asked) -> Answer:
        """Return what a picture is taken for, by the classifier given or by that of the labels."""
        term = Term.of(asked.part("term"))
        began = time.perf_counter()
        given = asked.choice("by", ("labels", "given")) == "given"
        answer = self._by_probe(term) if given else self._by_labels(term)
        return {**answer, "seconds": round(time.perf_counter() - began, 4)}

    def all(self, _: Asked) -> Answer:
        """Return how many pictures of the collection are of each class, by label or by guess."""
        lesson = self._teacher.lesson()
        classes, judged = judgement(lesson, self._finishing)
        if judged is None:
            raise UsageError("There is no classifier yet.", "Label pictures of two classes.")
        open_ = lesson.codes < 0
        known = open_ if judged.novel is None else open_ & ~judged.novel
        guessed = dict(
            zip(
                classes,
                np.bincount(judged.best[known], minlength=len(classes)).tolist(),
                strict=True,
            )
        )
        return {
            "total": len(lesson.held.ids),
            "classes": [
                {"name": name, "labelled": int(count), "guessed": guessed.get(name, 0)}
                for name, count in zip(lesson.classes, lesson.counts, strict=True)
            ],
            "novel": None if judged.novel is None else int((open_ & judged.novel).sum()),
            "saved": self._finishing.of(lesson) is not None,
        }

    def finish(self, _: Asked) -> Answer:
        """Begin to fit the classifier that can be taken away."""
        self._finishing.start()
        return {"started": True}

    def finished(self, _: Asked) -> Answer:
        """Return for how long it has been fitted; once it is done, its measures."""
        seconds = self._finishing.running()
        finished = None if seconds is not None else self._finishing.newest()
        return {
            "running": seconds,
            "result": None if finished is None else _measures(finished),
            "current": finished is not None
            and self._finishing.of(self._teacher.lesson()) is finished,
        }

    def _by_probe(self, term: Term) -> Answer:
        """Classify a picture with the classifier that the app was started with."""
        if self._probe is None:
            raise UsageError("The app was started without --probe.", "Load the page again.")
        library = self._teacher.library
        path = (
            library.item(term.item or 0).path
            if term.upload is None
            else library.uploads.get(term.upload).path
        )
        side = images.enough_for(self._probe.card.image_size)
        part = 1.0 if term.crop is None else min(term.crop[2:])
        pixels = library.pixels(path, min(round(side / part), 2**14)).pixels
        (verdict,) = self._probe.classify(
            [pixels if term.crop is None else images.cut(pixels, term.crop)]
        )
        card = self._probe.card
        return {
            "shares": [list(share) for share in verdict.best(SHOWN)],
            "known": verdict.known,
            "classes": len(self._probe.classes),
            "accuracy": card.probe_accuracy,
            "refused": card.novelty_refused,
            "caught": card.novelty_caught,
        }

    def _by_labels(self, term: Term) -> Answer:
        """Classify a picture with what is learnt of the labels."""
        lesson = self._teacher.lesson()
        finished, vector = self._finishing.of(lesson), self._teacher.library.vector(term)[None]
        if finished is not None:
            chances, novel = finished.classify(vector)
            fitted = finished.fitted
            strangers = fitted.strangers
            measures: dict[str, Any] = {
                "accuracy": fitted.accuracy,
                "refused": None if novel is None else 0.05,
                "caught": strangers.caught if strangers and novel is not None else None,
            }
            classes = fitted.classes
        elif lesson.ridge is not None:
            chances, novel, classes = lesson.ridge.probabilities(vector), None, lesson.classes
            measured = lesson.measured
            accuracy = measured.right / len(measured.places) if measured else None
            measures = {"accuracy": accuracy, "refused": None, "caught": None}
        else:
            raise UsageError("There is no classifier yet.", "Label pictures of two classes.")
        order = np.argsort(-chances[0], kind="stable")[:SHOWN].tolist()
        return {
            "shares": [[classes[at], float(chances[0, at])] for at in order],
            "known": None if novel is None else not bool(novel[0]),
            "classes": len(classes),
            **measures,
        }


def _measures(finished: Finished) -> Answer:
    """Return the measures of a classifier that can be taken away."""
    fitted = finished.fitted
    strangers = fitted.strangers
    return {
        "classes": len(fitted.classes),
        "pictures": fitted.fitted,
        "accuracy": fitted.accuracy,
        "interval": fitted.interval,
        "chance": fitted.chance,
        "majority": fitted.majority,
        "held": fitted.held_out,
        "how": fitted.measured_by,
        "tells_unknown": fitted.novelty is not None,
        "caught": strangers.caught if strangers and fitted.novelty else None,
        "left_out": [list(pair) for pair in fitted.left_out],
        "seconds": round(finished.seconds, 2),
        "bytes": finished.path.stat().st_size,
    }
