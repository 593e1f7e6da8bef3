"""A `Verdict` states the likely classes of a picture, and whether it is of any of them at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOVELTY, NEAREST = "novelty", "nearest"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classification of one picture.

    Attributes
    ----------
    shares : tuple of (str, float)
        Classes with their probabilities, or their shares of a vote, in [0, 1], the greatest first.
        They assume that the picture is of one of the classes.
    known : bool or None
        Whether the picture is of any of the classes; None where that cannot be told.
    measure : str
        Name of the measure that decides `known`: `NOVELTY`, which is above 1 for a picture of none
        of the classes, or `NEAREST`, the cosine similarity to the nearest picture.
    value : float or None
        Value of the measure for this picture.
    """

    shares: tuple[tuple[str, float], ...]
    known: bool | None
    measure: str
    value: float | None

    def best(self, k: int) -> tuple[tuple[str, float], ...]:
        """Return the classes with the k greatest shares, the greatest first."""
        return self.shares[:k]


def verdicts(
    classes: Sequence[str],
    probabilities: NDArray[np.float32],
    novelty: NDArray[np.float32] | None,
) -> list[Verdict]:
    """Return the verdicts on pictures, one a picture, from the outputs of a probe.

    Parameters
    ----------
    classes : sequence of str
        C names.
    probabilities : float32 array, shape (N, C)
        Class probabilities, as `Probe.predict_proba` returns them.
    novelty : float32 array, shape (N,), or None
        Distances over the threshold, as `Probe.examine` returns them.

    Examples
    --------
    >>> (one,) = verdicts(["cat", "dog"], np.array([[0.25, 0.75]]), np.array([0.5]))
    >>> one.best(1), one.known
    ((('dog', 0.75),), True)
    """
    values = [None] * len(probabilities) if novelty is None else novelty.tolist()
    order = np.argsort(-probabilities, axis=1, kind="stable").tolist()
    return [
        Verdict(
            tuple((classes[number], row[number]) for number in numbers),
            None if value is None else value <= 1,
            NOVELTY,
            value,
        )
        for numbers, row, value in zip(order, probabilities.tolist(), values, strict=True)
    ]
