"""What an experiment is: cells to train, and claims about their measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from clr_search.train.settings.config import TrainConfig

Measures = Mapping[str, Mapping[str, float]]
"""The measures of one seed and length, by cell and by name; all but the entropy are in per cent.

Those of the next shorter length stand under the name of the cell with `SHORTER` after it.
"""

SHORTER = ", shorter"
"""What follows the name of a cell in `Measures` and `Claim.needs` for its next shorter training."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of an experiment: settings that are trained with several seeds and lengths.

    Attributes
    ----------
    name : str
        Name in the table.
    config : TrainConfig
        Settings of the training, without the seed; where its epochs are None, it is trained at
        each length of the study.
    paper : str
        The result in the paper; empty if it has none.
    core : bool
        Whether one of the four insights needs it; such cells are trained first.
    """

    name: str
    config: TrainConfig
    paper: str = ""
    core: bool = False


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
    needs : tuple of str
        Names of the cells whose measures `points` reads; see `SHORTER`.
    tested : int or None
        Number of answers that the measure is a share of; None for one on each test image.
    """

    text: str
    points: Callable[[Measures], float]
    needs: tuple[str, ...]
    tested: int | None = None


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

    def core(self) -> Experiment:
        """The experiment with the cells and claims of the four insights only."""
        cells = tuple(cell for cell in self.cells if cell.core)
        names = {cell.name for cell in cells}
        claims = tuple(
            claim
            for claim in self.claims
            if {name.removesuffix(SHORTER) for name in claim.needs} <= names
        )
        return replace(self, cells=cells, claims=claims)
