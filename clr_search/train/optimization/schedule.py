"""What changes as a training goes on: the learning rate by step, the side of views by epoch."""

from __future__ import annotations

import math

GROWING = 0.75
"""Share of the epochs over which views grow; in the others they have their full side."""

_MULTIPLE = 8  # of which sides are, so that feature maps keep whole and aligned shapes


def learning_rate_at(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Learning rate of a step: linear warm-up, then half a cosine, once (§2.2).

    Parameters
    ----------
    step : int
        Counted from 0.
    peak : float
        Rate at the end of the warm-up.
    warmup_steps : int
        The first step takes 1/warmup_steps of the peak, so that none is lost.
    total_steps : int
        Steps of the whole training; at that step the rate would be 0.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def view_side_at(epoch: int, *, first: int | None, full: int, total_epochs: int) -> int:
    """Side in pixels of the views of an epoch: it grows evenly, in multiples of 8.

    Small views first cost less, and a convolutional network takes what it learns from them over to
    larger ones (progressive resizing, as in EfficientNetV2, arXiv 2104.00298, §4).

    Parameters
    ----------
    epoch : int
        Counted from 0.
    first : int or None
        Side in the first epoch; None for `full` throughout.
    full : int
        Side from `GROWING` of the epochs on, and in the last one.
    total_epochs : int
        Of the whole training.
    """
    done = epoch / (GROWING * total_epochs)
    if first is None or done >= 1 or epoch == total_epochs - 1:
        return full
    side = first + (full - first) * done
    return min(full, _MULTIPLE * math.ceil(side / _MULTIPLE))


def relative_cost(first: int | None, full: int) -> float:
    """Time of a training whose views grow, as a share of one whose views all have their full side.

    It goes by their area, as the time of convolutions does.
    """
    epochs = 200  # enough to be independent of their number
    sides = [view_side_at(e, first=first, full=full, total_epochs=epochs) for e in range(epochs)]
    return sum((side / full) ** 2 for side in sides) / epochs
