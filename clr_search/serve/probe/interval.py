"""The confidence interval of a proportion, such as an accuracy."""

from __future__ import annotations

from math import sqrt

_Z95 = 1.959963984540054
"""The normal quantile of a two-sided interval of 95 %."""

CORRELATED = 2.25
"""Factor by which the variance of a cross-validated mean exceeds that of independent pictures.

It is 1 + k/(k − 1) for k = 5 folds (Nadeau and Bengio, Inference for the Generalization Error,
2003): the folds share most of what they are fitted on, so that their mistakes are not independent.
"""


def wilson_interval(successes: float, trials: float) -> tuple[float, float]:
    """Return the 95 % confidence interval of a proportion (Wilson 1927).

    Parameters
    ----------
    successes, trials : float
        0 ≤ successes ≤ trials, and trials > 0; not whole where they stand for fewer independent
        trials.

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


def crossed_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy that was measured by cross-validation.

    It is the interval of Wilson for `CORRELATED` times fewer pictures. Without this, intervals of
    ten pictures a class hold the true accuracy in less than 90 % of cases.

    Parameters
    ----------
    right, total : int
        Pictures that were classified correctly, and all of them; 0 ≤ right ≤ total, total ≥ 1.

    Examples
    --------
    >>> [round(end, 2) for end in crossed_interval(20, 20)]
    [0.7, 1.0]
    """
    return wilson_interval(right / CORRELATED, total / CORRELATED)
