"""The confidence interval of a proportion, such as an accuracy."""

from __future__ import annotations

from math import sqrt

_Z95 = 1.959963984540054
"""The normal quantile of a two-sided interval of 95 %."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a proportion (Wilson 1927).

    Parameters
    ----------
    successes, trials : int
        0 ≤ successes ≤ trials, and trials ≥ 1.

    Returns
    -------
    tuple of float
        Lower and upper end, within [0, 1].

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    share, z2 = successes / trials, _Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
