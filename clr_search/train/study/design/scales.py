"""The designs about scale: the batch, the network, and the method that is trained."""

from __future__ import annotations

from dataclasses import replace

from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.design.comparisons import gain, gains_more, longer_helps
from clr_search.train.study.experiment import Cell, Experiment

_SMALL, _LARGE = 64, 1024
_AT_ONCE = 1024  # images of a batch that pass through the network at once


def batch(base: TrainConfig) -> Experiment:
    """The batch size (Fig. 9); that longer training helps shows between two lengths."""
    usual = base.batch_size or 256
    sizes = sorted({_SMALL, usual, 256, _LARGE, 2 * _LARGE})
    cells = tuple(
        Cell(
            f"batch {size}",
            replace(base, batch_size=size, micro_batch=_AT_ONCE if size > _AT_ONCE else None),
            core=size in (_SMALL, usual, _LARGE),
        )
        for size in sizes
    )
    small, large = f"batch {_SMALL}", f"batch {_LARGE}"
    return Experiment(
        "batch",
        "Batch size and epochs (Fig. 9)",
        cells,
        (
            gain("A batch of 1,024 beats one of 64 after as many epochs.", large, small),
            longer_helps("Longer training helps, at both batch sizes.", [small, large]),
        ),
        ("linear h", "kNN h", "contrastive"),
    )


def size(base: TrainConfig) -> Experiment:
    """Width and depth of the network, for SimCLR and for supervised training (Fig. 7)."""
    cells = []
    for method in ("simclr", "supervised"):
        here = base if method == "simclr" else replace(base, method="supervised")
        cells += [
            Cell(method, here, core=True),
            Cell(f"{method}, twice as wide", replace(here, width=2 * base.width), core=True),
            Cell(f"{method}, resnet34", replace(here, architecture="resnet34")),
        ]
    return Experiment(
        "size",
        "Width and depth of the network (Fig. 7)",
        tuple(cells),
        (
            gain("A wider network helps SimCLR.", "simclr, twice as wide", "simclr"),
            gains_more(
                "Width helps SimCLR more than supervised training.",
                ("simclr", "simclr, twice as wide"),
                ("supervised", "supervised, twice as wide"),
            ),
            gains_more(
                "Depth helps SimCLR more than supervised training.",
                ("simclr", "simclr, resnet34"),
                ("supervised", "supervised, resnet34"),
            ),
        ),
    )


def method(base: TrainConfig) -> Experiment:
    """SimCLR, InstDisc, supervised training and the untrained network (Fig. 1)."""
    cells = (
        Cell("simclr", base, "69.3"),
        Cell("instdisc", replace(base, method="instdisc", temperature=0.07), "54.0"),
        Cell("instdisc, nce", replace(base, method="instdisc", temperature=0.07, negatives=1024)),
        Cell("supervised", replace(base, method="supervised"), "76.5"),
        Cell("untrained", replace(base, epochs=1, learning_rate=1e-12)),
    )
    return Experiment(
        "method",
        "SimCLR, InstDisc and supervised training (Fig. 1)",
        cells,
        (
            gain("SimCLR beats InstDisc.", "simclr", "instdisc"),
            gain("SimCLR beats the untrained network.", "simclr", "untrained"),
            gain("Supervised training is still ahead.", "supervised", "simclr"),
        ),
    )
