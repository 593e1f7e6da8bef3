"""The designs about what is minimised: the projection head, the temperature, the loss."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Head
from clr_search.train.study.applied import PROBED
from clr_search.train.study.design.comparisons import best_of, gain, within
from clr_search.train.study.experiment import Cell, Experiment
from clr_search.train.study.measures import CONTRASTED, TIMES

_USUAL = "nonlinear 128"
_PROBED = 2 * PROBED[1]  # answers, of two forms at least of each picture


def head(base: TrainConfig) -> Experiment:
    """Kind and dimension of the projection head, and what z has lost (Fig. 8, Table 3)."""
    cells = [
        Cell(f"{kind} {size}", replace(base, head=kind, head_dim=size), core=size == 128)
        for kind in get_args(Head)[:2]
        for size in (32, 128, 512)
    ]
    cells.append(Cell("none", replace(base, head="none"), core=True))
    nonlinear = [cell.name for cell in cells if cell.name.startswith("nonlinear")]
    linear = [cell.name for cell in cells if cell.name.startswith("linear")]
    return Experiment(
        "head",
        "Projection head: kind and dimension, and h against z (Fig. 8, Table 3)",
        tuple(cells),
        (
            gain("A non-linear head beats none (paper: by over 10).", _USUAL, "none"),
            gain("A non-linear head beats a linear one (paper: by 3).", _USUAL, "linear 128"),
            within("h is better than z (paper: by over 10).", [_USUAL], "linear h", "linear z"),
            within(
                "z has lost what h knows of rotation.",
                [_USUAL],
                "rotation h",
                "rotation z",
                _PROBED,
            ),
            within("z has lost what h knows of grey.", [_USUAL], "grey h", "grey z", _PROBED),
            within("z has lost what h knows of blur.", [_USUAL], "blur h", "blur z", _PROBED),
            within("h is better than z, for every dimension.", nonlinear, "linear h", "linear z"),
            best_of("The best non-linear head beats none.", nonlinear, ["none"]),
            best_of("The best non-linear head beats the best linear one.", nonlinear, linear),
        ),
        (
            *("linear h", "kNN h", "linear z"),
            *("rotation h", "rotation z", "grey h", "grey z", "blur h", "blur z"),
        ),
    )


def temperature(base: TrainConfig) -> Experiment:
    """The temperature, with and without projections of unit length (Table 5)."""
    papers = {0.05: "59.7", 0.1: "64.4", 0.2: "", 0.5: "60.7", 1.0: "58.0"}
    cosine = [
        Cell(f"l2, τ {t:g}", replace(base, temperature=t), paper, t in (0.05, 0.2, 1.0))
        for t, paper in papers.items()
    ]
    dot = [
        Cell(f"no l2, τ {t:g}", replace(base, temperature=t, normalise=False), paper, t == 10)
        for t, paper in ((10.0, "57.2"), (100.0, "57.0"))
    ]
    inner = [f"l2, τ {t:g}" for t in (0.1, 0.5)]
    return Experiment(
        "temperature",
        "Temperature, and the length of projections (Table 5)",
        (*cosine, *dot),
        (
            gain("τ 0.2 beats both ends, 0.05 and 1.", "l2, τ 0.2", "l2, τ 0.05", "l2, τ 1"),
            gain(
                "Cosines beat dot products for the task that follows.", "l2, τ 0.2", "no l2, τ 10"
            ),
            gain(
                "Dot products find more partners all the same.",
                *("no l2, τ 10", "l2, τ 0.2"),
                measure="contrastive",
                tested=2 * CONTRASTED * TIMES,
            ),
            best_of(
                "A temperature in the middle beats both ends.", inner, ["l2, τ 0.05", "l2, τ 1"]
            ),
            best_of(
                "The best cosine beats the best dot product.",
                [cell.name for cell in cosine],
                [cell.name for cell in dot],
            ),
        ),
        ("linear h", "kNN h", "contrastive", "entropy"),
    )


def loss(base: TrainConfig) -> Experiment:
    """The losses (Table 4)."""
    cells = (
        Cell("nt-xent", base, "63.9"),
        Cell("nt-logistic", replace(base, loss="nt-logistic"), "51.6"),
        Cell("nt-logistic-semi-hard", replace(base, loss="nt-logistic-semi-hard"), "57.9"),
        Cell("margin", replace(base, loss="margin"), "50.9"),
        Cell("margin-semi-hard", replace(base, loss="margin-semi-hard"), "57.5"),
        Cell("dcl", replace(base, loss="dcl")),
    )
    others = [cell.name for cell in cells[1:-1]]
    return Experiment(
        "loss",
        "Losses (Table 4)",
        cells,
        (
            gain("NT-Xent is the best of the paper's losses.", "nt-xent", *others),
            gain("Semi-hard negatives help margins.", "margin-semi-hard", "margin"),
        ),
    )
