"""By how much each finding holds at each length, and from which length on it holds.

The rule: at a length, a finding *holds* where at least two seeds were trained, the whole interval
of its effect lies above 0, and its mean is above the standard error of an accuracy that is measured
on so many pictures, which the interval over seeds does not contain. It *fails* where the whole
interval lies at or below 0, and is *open* otherwise. It begins to hold at the shortest length from
which on it holds at every length that two seeds were trained at.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clr_search.train.study.experiment import SHORTER, Claim, Experiment
from clr_search.train.study.scope import Scope
from clr_search.train.study.store import Result, Store

Results = Mapping[int, Mapping[int, Mapping[str, Result]]]
"""The results of an experiment by length, seed and cell; those that there are."""

_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t with 1, 2, … degrees of freedom; 2.262 stands for all beyond."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a finding at a length.

    Attributes
    ----------
    length : int
        Epochs.
    points : tuple of float
        Percentage points of each seed, paired: both sides of the comparison have the same seed.
    error : float
        Points that an effect must be above to be told from the chance in which pictures are tested
        on.
    """

    length: int
    points: tuple[float, ...]
    error: float = 0.0

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.points)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean by t; of two seeds the range, of one the point alone."""
        if len(self.points) < 3:
            return min(self.points), max(self.points)
        freedom = len(self.points) - 1
        t = _T95[min(freedom, len(_T95)) - 1]
        half = t * statistics.stdev(self.points) / math.sqrt(len(self.points))
        return self.mean - half, self.mean + half

    @property
    def judged(self) -> bool:
        """Whether there are seeds enough to say anything."""
        return len(self.points) > 1

    @property
    def holds(self) -> bool:
        """Whether the whole interval lies above 0, and the mean above the error."""
        return self.judged and self.interval[0] > 0 and self.mean > self.error

    @property
    def fails(self) -> bool:
        """Whether the whole interval lies at or below 0."""
        return self.judged and self.interval[1] <= 0

    def __str__(self) -> str:
        low, high = self.interval
        if not self.judged:
            return f"{self.mean:+.1f}, one seed"
        return f"{self.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def gathered(experiment: Experiment, scope: Scope, store: Store) -> Results:
    """The results that the folder of a study has of an experiment."""
    found: dict[int, dict[int, dict[str, Result]]] = {}
    for length in scope.lengths:
        for seed in range(scope.seeds):
            for cell in experiment.cells:
                result = store.result(scope.training(cell, length, seed))
                if result is not None:
                    found.setdefault(length, {}).setdefault(seed, {})[cell.name] = result
    return found


def standard_error(tested: int) -> float:
    """The standard error, in points, of an accuracy near one half that is measured on so many.

    Examples
    --------
    >>> standard_error(10_000)
    0.5
    """
    return 50 / math.sqrt(tested)


def effects(claim: Claim, results: Results, tested: int) -> list[Effect]:
    """The effect of a finding at each length at which some seed has all cells that it needs.

    Parameters
    ----------
    claim : Claim
        The finding.
    results : Results
        The results that there are.
    tested : int
        Number of test images.

    Examples
    --------
    >>> def row(value): return Result({"linear h": value}, 1.0, None, "cpu")
    >>> claim = Claim("b beats a", lambda m: m["b"]["linear h"] - m["a"]["linear h"], ("a", "b"))
    >>> results = {5: {0: {"a": row(40), "b": row(41)}, 1: {"a": row(40)}}}
    >>> [str(effect) for effect in effects(claim, results, tested=10_000)]
    ['+1.0, one seed']
    """
    error = standard_error(min(tested, claim.tested or tested))
    found, before = [], None
    for length in sorted(results):
        points = []
        for seed in sorted(results[length]):
            rows = {name: result.measures for name, result in results[length][seed].items()}
            if before is not None:
                shorter = results[before].get(seed, {})
                rows |= {name + SHORTER: result.measures for name, result in shorter.items()}
            if set(claim.needs) <= rows.keys():
                points.append(claim.points(rows))
        if points:
            found.append(Effect(length, tuple(points), error))
        before = length
    return found


def epochs(length: int) -> str:
    """A length in words.

    Examples
    --------
    >>> epochs(1), epochs(20)
    ('1 epoch', '20 epochs')
    """
    return f"{length:,} epoch{'s' if length > 1 else ''}"


def sentence(found: Sequence[Effect]) -> str:
    """From which length on a finding holds, in words, by the rule of this module.

    Examples
    --------
    >>> sentence([Effect(5, (-1.0, -2.0)), Effect(20, (1.0, 2.0)), Effect(60, (3.0, 2.0))])
    'begins to hold at 20 epochs'
    >>> sentence([Effect(5, (-1.0, -2.0)), Effect(20, (-1.0, 2.0))])
    'is open up to 20 epochs: the seeds disagree'
    >>> sentence([Effect(5, (1.0,))])
    'cannot be told yet: one seed'
    """
    judged = [effect for effect in found if effect.judged]
    if not found:
        return "has not been trained yet"
    if not judged:
        return "cannot be told yet: one seed"
    longest = judged[-1]
    if longest.fails:
        return f"does not hold up to {epochs(longest.length)}"
    if not longest.holds:
        shown = "the seeds disagree" if len(longest.points) == 2 else "the interval contains 0"
        if longest.interval[0] > 0:
            shown = "too small to be told from chance"
        return f"is open up to {epochs(longest.length)}: {shown}"
    first = longest
    for effect in reversed(judged):
        if not effect.holds:
            return f"begins to hold at {epochs(first.length)}"
        first = effect
    if len(judged) == 1:
        return f"holds at {epochs(first.length)}"
    return f"holds from {epochs(first.length)} on, the shortest length"
