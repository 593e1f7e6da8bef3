"""What changes during a training: the learning rate by step, and the side of views by epoch."""

from __future__ import annotations

import math

GROWING = 0.75
"""Share of the epochs over which views grow; in the epochs after that they have their full side."""

_MULTIPLE = 8  # sides are multiples of 8, so that all feature maps have whole, aligned sides


def learning_rate_at(step: float, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """The learning rate of a step: linear warm-up, then a cosine without restarts (§2.2).

    Parameters
    ----------
    step : float
        Number of the step, counted from 0; a place between two steps where a schedule was shortened
        (see `pace`).
    peak : float
        The rate at the end of the warm-up.
    warmup_steps : int
        Length of the warm-up. The first step has 1/warmup_steps of the peak, not 0.
    total_steps : int
        Length of the whole training, at whose end the rate is 0.

    Examples
    --------
    >>> [learning_rate_at(s, peak=1.0, warmup_steps=2, total_steps=6) for s in (0, 1, 2, 4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def view_side_at(epoch: int, *, first: int | None, full: int, total_epochs: int) -> int:
    """The side, in pixels, of the views of an epoch: it grows linearly, in multiples of 8.

    Small views cost less, and a convolutional network can use on large views what it has learned on
    small ones (progressive resizing, as in EfficientNetV2, arXiv 2104.00298, §4).

    Parameters
    ----------
    epoch : int
        Number of the epoch, counted from 0.
    first : int or None
        Side in the first epoch; None for `full` in all epochs.
    full : int
        Side after the share `GROWING` of the epochs, and always in the last epoch.
    total_epochs : int
        Number of epochs of the whole training.

    Examples
    --------
    >>> [view_side_at(e, first=32, full=64, total_epochs=8) for e in range(8)]
    [32, 40, 48, 48, 56, 64, 64, 64]
    """
    done = epoch / (GROWING * total_epochs)
    if first is None or done >= 1 or epoch == total_epochs - 1:
        return full
    side = first + (full - first) * done
    return min(full, _MULTIPLE * math.ceil(side / _MULTIPLE))


def relative_cost(first: int | None, full: int) -> float:
    """The time of a training whose views grow, divided by that of one with views of full side.

    The time of a step is taken as proportional to the area of its views, as that of convolutions
    is.

    Examples
    --------
    >>> relative_cost(None, 64)
    1.0
    """
    epochs = 200  # so many that the result does not depend on their number
    sides = [view_side_at(e, first=first, full=full, total_epochs=epochs) for e in range(epochs)]
    return sum((side / full) ** 2 for side in sides) / epochs
