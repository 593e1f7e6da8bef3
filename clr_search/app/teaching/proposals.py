"""Which pictures a person should label next: those that a classifier can learn most from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SURVEYED = 2000
"""Number of pictures, drawn at random, among which proposals are sought."""

_COMPARED = 500  # of those, the number that tells how typical a picture is
_ALIKE = 0.05  # share of those that are nearest: as many as a group of like pictures may have
_VARIETY = 0.5  # how much being like other proposals counts against a picture
_ROUNDS = 8  # of k-means

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


def uncertainty(probabilities: Floats) -> Floats:
    """Return how uncertain classifications are, float32 (n,) in [0, 1]: 1 where two classes tie.

    It is 1 minus the margin between the best two classes (Settles, Active Learning Literature
    Survey, 2009, section 3.1).

    Examples
    --------
    >>> uncertainty(np.array([[0.5, 0.5], [1, 0]], np.float32)).tolist()
    [1.0, 0.0]
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    doubt: Floats = 1 - (two[:, 1] - two[:, 0])
    return doubt


def propose(x: Floats, doubt: Floats | None, count: int) -> Positions:
    """Choose the pictures to label next among some, which `drawn` has drawn of all.

    At first they are typical ones of as many groups of like pictures (Hacohen et al., Active
    Learning on a Budget, 2022), later uncertain ones that are typical, too (Settles and Craven,
    2008), and unlike each other. What is only uncertain is mostly odd. ``bench/labelling.py``
    holds them against pictures drawn at random.

    Parameters
    ----------
    x : float32 array, shape (n, D)
        Unit vectors of the pictures to choose from.
    doubt : float32 array, shape (n,), or None
        How uncertain each is; None without a classifier.
    count : int
        Number of pictures to choose; there are fewer where `x` has fewer.

    Returns
    -------
    int64 array
        Positions in `x`, the first to be labelled first.
    """
    count = min(count, len(x))
    if not count:
        return np.empty(0, np.int64)
    if doubt is None:
        return typical(x, count)
    among = x[:: max(1, len(x) // _COMPARED)]
    return varied(x, (doubt * density(x, among)).astype(np.float32), count)


def density(x: Floats, among: Floats) -> Floats:
    """Return the mean likeness of each picture to those that are nearest to it among others."""
    alike = x @ among.T
    nearest = max(1, round(_ALIKE * len(among)))
    mean: Floats = np.partition(alike, -nearest, axis=1)[:, -nearest:].mean(axis=1)
    return mean


def varied(x: Floats, worth: Floats, count: int) -> Positions:
    """Choose pictures of the greatest worth that are unlike each other, one after the other."""
    chosen: list[int] = []
    nearest = np.zeros(len(x), np.float32)
    left = np.ones(len(x), bool)
    for _ in range(min(count, len(x))):
        best = int(np.argmax(np.where(left, worth - _VARIETY * nearest, -np.inf)))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, x @ x[best])
    return np.array(chosen, np.int64)


def typical(x: Floats, count: int) -> Positions:
    """Choose the picture nearest to the centre of each of `count` groups, by spherical k-means."""
    centres = x[varied(x, np.ones(len(x), np.float32), count)].copy()
    for _ in range(_ROUNDS):
        group = (x @ centres.T).argmax(axis=1)
        for number in np.unique(group).tolist():
            total = x[group == number].sum(axis=0)
            centres[number] = total / max(float(np.linalg.norm(total)), 1e-9)
    alike, chosen = x @ centres.T, np.zeros(len(x), bool)
    order: list[int] = []
    # Large groups first; no picture stands for two.
    for number in np.argsort(-np.bincount(alike.argmax(axis=1), minlength=count)).tolist():
        best = int(np.argmax(np.where(chosen, -np.inf, alike[:, number])))
        chosen[best] = True
        order.append(best)
    return np.array(order, np.int64)


def drawn(total: int, seed: int) -> Positions:
    """Return at most `SURVEYED` of so many positions, drawn at random, ascending."""
    if total <= SURVEYED:
        return np.arange(total)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(total, SURVEYED, replace=False, shuffle=False))
