"""Comparisons of cells by their measures, of which claims are made."""

from __future__ import annotations

from collections.abc import Sequence

from clr_search.train.study.experiment import SHORTER, Claim, Measures


def gain(
    text: str, better: str, *others: str, measure: str = "linear h", tested: int | None = None
) -> Claim:
    """The claim that a cell is better than each of the others; `tested` as in `Claim`.

    Examples
    --------
    >>> claim = gain("b beats a", "b", "a")
    >>> claim.points({"a": {"linear h": 40.0}, "b": {"linear h": 42.5}})
    2.5
    """

    def points(measures: Measures) -> float:
        return measures[better][measure] - max(measures[name][measure] for name in others)

    return Claim(text, points, (better, *others), tested)


def best_of(text: str, better: Sequence[str], others: Sequence[str]) -> Claim:
    """The claim that the best of some cells is better than the best of others."""

    def points(measures: Measures) -> float:
        best, other = (
            max(measures[name]["linear h"] for name in names) for names in (better, others)
        )
        return best - other

    return Claim(text, points, (*better, *others))


def within(
    text: str, cells: Sequence[str], better: str, worse: str, tested: int | None = None
) -> Claim:
    """The claim that one measure is higher than another in each of some cells."""

    def points(measures: Measures) -> float:
        return min(measures[name][better] - measures[name][worse] for name in cells)

    return Claim(text, points, tuple(cells), tested)


def gains_more(text: str, one: tuple[str, str], other: tuple[str, str]) -> Claim:
    """The claim that a change, from the first to the second cell, helps `one` more than `other`."""

    def points(measures: Measures) -> float:
        (a, b), (c, d) = ([measures[name]["linear h"] for name in names] for names in (one, other))
        return (b - a) - (d - c)

    return Claim(text, points, (*one, *other))


def longer_helps(text: str, cells: Sequence[str]) -> Claim:
    """The claim that each of some cells is better than in its next shorter training."""

    def points(measures: Measures) -> float:
        return min(
            measures[name]["linear h"] - measures[name + SHORTER]["linear h"] for name in cells
        )

    return Claim(text, points, (*cells, *(name + SHORTER for name in cells)))
