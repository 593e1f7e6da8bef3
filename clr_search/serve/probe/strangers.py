"""How many pictures of other classes does "none of these" catch? Whole classes are left out.

That novelty refuses few pictures of the classes is promised by its threshold; how many strangers it
catches is not, and depends on what strangers come. The classes at hand stand in for them: each is
left out in its turn, as if it were unknown, and the share of its pictures that are refused is
counted. Pictures that are less like the classes than these are to each other are caught more often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.serve.probe.novelty import Floats, fit_novelty

MOST_CLASSES = 20
"""Largest number of classes that are left out; they are spread evenly, and bound the time."""

_TURNS = 10  # fits for a threshold where none is held out; leave-one-out would take too long


@dataclass(frozen=True, slots=True)
class Strangers:
    """The share of strangers that novelty catches, estimated by classes that are left out.

    Attributes
    ----------
    caught : float
        Mean over the classes, in [0, 1], of the share of their pictures that are refused.
    least, most : float
        The same of the class that is caught least, and most.
    classes : int
        Number of classes that were left out in turn.
    pictures : int
        Number of their pictures.
    """

    caught: float
    least: float
    most: float
    classes: int
    pictures: int


def estimate_strangers(x: Floats, y: NDArray[Any], held: NDArray[np.bool_]) -> Strangers | None:
    """Leave out class after class, and count how many of its pictures are of none of the others.

    Parameters
    ----------
    x, y, held
        As `novelty.fit_novelty` takes them.

    Returns
    -------
    Strangers or None
        None where too few pictures are left to set a threshold.
    """
    classes = int(y.max()) + 1
    chosen = np.unique(np.linspace(0, classes - 1, min(classes, MOST_CLASSES)).round().astype(int))
    shares, pictures = [], 0
    for stranger in chosen.tolist():
        known = y != stranger
        others = np.unique(y[known], return_inverse=True)[1]
        novelty = fit_novelty(x[known], others, held[known], most_turns=_TURNS)
        if novelty is not None:
            shares.append(float((novelty.of(x[~known]) > 1).mean()))
            pictures += int((~known).sum())
    if not shares:
        return None
    return Strangers(float(np.mean(shares)), min(shares), max(shares), len(shares), pictures)
