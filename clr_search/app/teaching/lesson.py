"""`Lesson`: what is learnt from the labels of a collection as they are at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clr_search.app.teaching import proposals
from clr_search.app.teaching.ridge import Floats, Ridge, fit_ridge
from clr_search.cores import one_thread
from clr_search.serve.probe.interval import crossed_interval

MOST_FITTED = 3000
"""Largest number of labelled pictures that are fitted and measured while a person labels."""

LEAST_FITTED = 5
"""Number of pictures of each class that are fitted in any case, where it has as many."""

_CHUNK = 8192  # pictures that are classified at a time

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The pictures of a collection.

    Attributes
    ----------
    state : tuple of int
        The `embedded_state` of the collection.
    ids : int64 array, shape (N,)
        Ids, ascending.
    vectors : float16 array, shape (N, D)
        Unit vectors, as exact as the collection has them.
    """

    state: tuple[int, int]
    ids: Positions
    vectors: NDArray[np.float16]

    def rows(self, positions: Positions | slice) -> Floats:
        """Return the vectors of some pictures, float32."""
        return self.vectors[positions].astype(np.float32)

    def places(self, ids: NDArray[np.int64]) -> Positions:
        """Return the positions of those of some ids that there are."""
        at = np.searchsorted(self.ids, ids)
        at[at == len(self.ids)] = 0
        known = self.ids[at] == ids if len(self.ids) else np.zeros(len(ids), bool)
        return np.asarray(at[known], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What all pictures are taken for, each by a classifier that does not know its label.

    Attributes
    ----------
    best : int32 array, shape (N,)
        The most probable class.
    share, doubt : float32 arrays, shape (N,)
        Its probability, and how uncertain it is.
    own : float32 array, shape (N,)
        The probability of the picture's own label; 0 without one.
    novel : bool array, shape (N,), or None
        Whether it is of none of the classes, where that can be told.
    """

    best: NDArray[np.int32]
    share: Floats
    doubt: Floats
    own: Floats
    novel: NDArray[np.bool_] | None = None


Classify = Callable[[Floats], tuple[Floats, NDArray[np.bool_] | None]]
"""Probabilities (n, C) of vectors (n, D), and which are of none of the classes."""


def judge(held: Held, codes: NDArray[np.int32], classify: Classify) -> Judged:
    """Classify all pictures; `codes`, shape (N,), are the numbers of their labels, −1 for none."""
    total = len(held.ids)
    best, share = np.zeros(total, np.int32), np.zeros(total, np.float32)
    doubt, own = np.zeros(total, np.float32), np.zeros(total, np.float32)
    novel: NDArray[np.bool_] | None = None
    with one_thread():
        for start in range(0, total, _CHUNK):
            part = slice(start, min(total, start + _CHUNK))
            chances, unknown = classify(held.rows(part))
            best[part] = chances.argmax(axis=1)
            share[part] = chances.max(axis=1)
            doubt[part] = proposals.uncertainty(chances)
            own[part] = _own(chances, codes[part])
            if unknown is not None:
                novel = np.zeros(total, bool) if novel is None else novel
                novel[part] = unknown
    return Judged(best, share, doubt, own, novel)


def _own(chances: Floats, codes: NDArray[np.int32]) -> Floats:
    """Return the probability of each picture's own label; 0 without one."""
    own: Floats = chances[np.arange(len(chances)), np.maximum(codes, 0)]
    return np.where(codes < 0, np.float32(0), own)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How well pictures are classified, each without the help of its own label.

    Attributes
    ----------
    places : int64 array, shape (m,)
        Positions of the pictures: those that were fitted, of classes with two or more.
    true, best : int64 arrays, shape (m,)
        Their labels, and what they are taken for.
    classes : int
        Number of classes.
    """

    places: Positions
    true: Positions
    best: Positions
    classes: int

    @property
    def right(self) -> int:
        """Number of pictures that are taken for what they are."""
        return int((self.true == self.best).sum())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy."""
        return crossed_interval(self.right, len(self.places))

    @property
    def majority(self) -> float:
        """Accuracy of always guessing the most frequent class."""
        return float(np.bincount(self.true).max()) / len(self.true)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Number of pictures of each class (row) that are taken for each (column)."""
        matrix = np.zeros((self.classes, self.classes), np.int64)
        np.add.at(matrix, (self.true, self.best), 1)
        return matrix


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from the labels as they are.

    Attributes
    ----------
    number : int
        Counts the lessons.
    held : Held
        The pictures.
    classes : tuple of str
        The labels that there are, sorted.
    codes : int32 array, shape (N,)
        The number of each picture's class; −1 without a label.
    given : bool
        Whether labels were given; else they are the names of folders.
    """

    number: int
    held: Held
    classes: tuple[str, ...]
    codes: NDArray[np.int32]
    given: bool
    _once: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @cached_property
    def counts(self) -> Positions:
        """Number of pictures of each class, int64 (C,)."""
        labelled = self.codes[self.codes >= 0]
        return np.bincount(labelled, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def fitted(self) -> Positions:
        """Positions of the labelled pictures that are fitted, at most about `MOST_FITTED`.

        They are the same from one label to the next, save for what is new.
        """
        labelled = np.flatnonzero(self.codes >= 0)
        if len(labelled) <= MOST_FITTED:
            return labelled
        # A number for each id that looks like a random one, and is always the same.
        ranks = (self.held.ids[labelled].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> 32
        order = labelled[np.argsort(ranks, kind="stable")]
        by_class = order[np.argsort(self.codes[order], kind="stable")]
        begins = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        within = np.arange(len(by_class)) - begins[self.codes[by_class]]
        some = by_class[within < LEAST_FITTED]
        return np.union1d(some, order[:MOST_FITTED]).astype(np.int64)

    @cached_property
    def ridge(self) -> Ridge | None:
        """The classifier; None with fewer than two classes."""
        if len(self.classes) < 2:
            return None
        with one_thread():
            return fit_ridge(self.held.rows(self.fitted), self.codes[self.fitted].astype(np.int64))

    @cached_property
    def measured(self) -> Measured | None:
        """The measures of the classifier; None where no class can spare a picture."""
        if self.ridge is None:
            return None
        true = self.codes[self.fitted].astype(np.int64)
        spared = self.counts[true] > 1  # a picture alone in its class cannot be left out
        if not spared.any():
            return None
        best = self.ridge.left_out.argmax(axis=1)
        return Measured(self.fitted[spared], true[spared], best[spared], len(self.classes))

    def judged(self) -> Judged | None:
        """Return what all pictures are taken for; None without a classifier."""
        with self._once:
            return self._judged

    @cached_property
    def _judged(self) -> Judged | None:
        ridge = self.ridge
        if ridge is None:
            return None
        judged = judge(self.held, self.codes, lambda x: (ridge.probabilities(x), None))
        judged.best[self.fitted] = ridge.left_out.argmax(axis=1)
        judged.share[self.fitted] = ridge.left_out.max(axis=1)
        judged.doubt[self.fitted] = proposals.uncertainty(ridge.left_out)
        judged.own[self.fitted] = _own(ridge.left_out, self.codes[self.fitted])
        return judged

    def propose(self, count: int, skipped: NDArray[np.int64], seed: int) -> Positions:
        """Return positions of the pictures to label next, other than those of some ids."""
        without = self.codes < 0
        without[self.held.places(skipped)] = False
        left = np.flatnonzero(without)
        pool = left[proposals.drawn(len(left), seed)]
        x = self.held.rows(pool)
        with one_thread():
            doubt = proposals.uncertainty(self.ridge.probabilities(x)) if self.ridge else None
            return np.asarray(pool[proposals.propose(x, doubt, count)], np.int64)

    def guesses(self, places: Positions) -> list[tuple[str, float] | None]:
        """Return what some pictures are taken for, each with its probability."""
        if self.ridge is None:
            return [None] * len(places)
        chances = self.ridge.probabilities(self.held.rows(places))
        spared = np.searchsorted(self.fitted, places)
        spared[spared == len(self.fitted)] = 0
        known = self.fitted[spared] == places
        chances[known] = self.ridge.left_out[spared[known]]
        best = chances.argmax(axis=1).tolist()
        return [
            (self.classes[one], float(row[one])) for one, row in zip(best, chances, strict=True)
        ]

    def number_of(self, name: str) -> int:
        """Return the number of a class; −2 where there is none of this name."""
        return self.classes.index(name) if name in self.classes else -2
