"""The designs about the augmentation: alone and in pairs, and the strength of the colour jitter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.design.comparisons import gain, gains_more
from clr_search.train.study.experiment import Cell, Experiment

SINGLE: dict[str, dict[str, Any]] = {
    "crop": {"crop_scale": (0.08, 1.0), "crop_ratio": (3 / 4, 4 / 3)},
    "flip": {"flip": 0.5},
    "colour": {"jitter": 0.8, "strength": 1.0},
    "grey": {"grey": 0.5},
    "blur": {"blur": 0.5},
}
"""The settings of each augmentation alone. This package does not have the cutout, rotation, noise
and Sobel filter of the paper. "grey" is strongest when it has a probability of one half."""

_NOTHING = Augmentation(
    crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0, blur=0.0
)

_CORE = ("crop", "colour", "crop+colour")


def pair_name(one: str, other: str) -> str:
    """The name of the cell of two augmentations, in any order; of the same one twice, its own name.

    Examples
    --------
    >>> pair_name("colour", "crop"), pair_name("crop", "crop")
    ('crop+colour', 'crop')
    """
    first, second = sorted((one, other), key=list(SINGLE).index)
    return first if first == second else f"{first}+{second}"


def augmentation(base: TrainConfig) -> Experiment:
    """Each augmentation alone, and all pairs (Fig. 5)."""
    cells = {}
    for one in SINGLE:
        for other in SINGLE:
            changed = replace(_NOTHING, **(SINGLE[one] | SINGLE[other]))
            name = pair_name(one, other)
            cells[name] = Cell(name, replace(base, augmentation=changed), core=name in _CORE)
    others = [name for name in cells if name != "crop+colour"]
    return Experiment(
        "augmentation",
        "Augmentations alone and in pairs (Fig. 5)",
        tuple(cells.values()),
        (
            gain("Crop + colour beats crop alone.", "crop+colour", "crop"),
            gain("Crop + colour beats colour alone.", "crop+colour", "colour"),
            gain(
                "No single augmentation suffices: crop + colour beats each.", "crop+colour", *SINGLE
            ),
            gain("Crop + colour is the best pair.", "crop+colour", *others),
        ),
        ("linear h", "kNN h", "contrastive"),
    )


def colour(base: TrainConfig) -> Experiment:
    """The strength of the colour jitter, for SimCLR and for supervised training (Table 1)."""
    assert base.augmentation is not None
    whole = base.augmentation

    def pair(name: str, strength: float, blur: float, paper: tuple[str, str]) -> tuple[Cell, Cell]:
        changed = replace(base, augmentation=replace(whole, strength=strength, blur=blur))
        taught = replace(changed, method="supervised")
        core = blur == 0 and strength in (1 / 8, 1)
        return Cell(name, changed, paper[0], core), Cell(
            f"supervised, {name}", taught, paper[1], core
        )

    pairs = (
        pair("1-8", 1 / 8, 0.0, ("59.6", "77.0")),
        pair("1-4", 1 / 4, 0.0, ("61.0", "76.7")),
        pair("1-2", 1 / 2, 0.0, ("62.6", "76.5")),
        pair("1", 1.0, 0.0, ("63.2", "75.7")),
        pair("1 with blur", 1.0, 0.5, ("64.5", "75.4")),
    )
    return Experiment(
        "colour",
        "Strength of the colour jitter (Table 1)",
        tuple(cell for kind in zip(*pairs, strict=True) for cell in kind),
        (
            gain("Strength 1 beats 1/8.", "1", "1-8"),
            gains_more(
                "Stronger colour helps SimCLR more than supervised training.",
                ("1-8", "1"),
                ("supervised, 1-8", "supervised, 1"),
            ),
            gain("Blur helps.", "1 with blur", "1"),
        ),
    )
