"""`Verdict`: what a picture is taken for, and whether it is of any of the classes at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOVELTY, NEAREST = "novelty", "nearest"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a picture is taken for.

    Attributes
    ----------
    shares : tuple of (str, float)
        Classes with their probabilities, or their shares of a vote, the greatest first. They say
        which class it is if it is one of them.
    known : bool or None
        Whether the picture is of any of the classes; None where that cannot be told.
    measure : str
        What `known` goes by: `NOVELTY`, above 1 for what is of none of the classes, or `NEAREST`,
        the cosine of the nearest picture.
    value : float or None
        Of the measure.
    """

    shares: tuple[tuple[str, float], ...]
    known: bool | None
    measure: str
    value: float | None

    def best(self, k: int) -> tuple[tuple[str, float], ...]:
        """The k greatest shares."""
        return self.shares[:k]


def verdicts(
    classes: Sequence[str],
    probabilities: NDArray[np.float32],
    novelty: NDArray[np.float32] | None,
) -> list[Verdict]:
    """Verdicts on pictures, from what a probe says of them.

    Parameters
    ----------
    classes : sequence of str
        C names.
    probabilities : float32 array, shape (N, C)
        As `Probe.predict_proba` gives them.
    novelty : float32 array, shape (N,), or None
        As `Probe.examine` gives it.

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
