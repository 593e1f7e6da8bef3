"""What an experiment is: cells to train, and claims about their measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clr_search.train.settings.config import TrainConfig

Measures = Mapping[str, Mapping[str, float]]
"""The measures of one seed, by cell and by name; all but the entropy are in per cent."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of an experiment: settings that are trained with several seeds.

    Attributes
    ----------
    name : str
        Name in the table, from which file names are made.
    config : TrainConfig
        Settings of the training, without the seed.
    paper : str
        The result in the paper; empty if it has none.
    """

    name: str
    config: TrainConfig
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A finding of the paper, with its test.

    Attributes
    ----------
    text : str
        The finding in words.
    points : callable
        The difference, in percentage points, by which the measures of one seed support the
        finding; negative if they contradict it.
    """

    text: str
    points: Callable[[Measures], float]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A figure or table of the paper.

    Attributes
    ----------
    name, title : str
        Name on the command line, and title of the page.
    cells : tuple of Cell
        Rows of the table.
    claims : tuple of Claim
        Findings that are tested.
    measures : tuple of str
        Columns of the table, of which the plot shows the first. See `measures.measure`.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    claims: tuple[Claim, ...]
    measures: tuple[str, ...] = ("linear h", "kNN h")
