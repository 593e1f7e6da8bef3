"""Which trainings each experiment compares, what the paper found, and what would confirm it.

"Fig." and "Table" refer to SimCLR, arXiv 2002.05709. Its figures are linear top-1 on ImageNet with
ResNet-50: the order of rows can be compared with ours, the numbers cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.choices import augmentation_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Head

Measures = Mapping[str, Mapping[str, float]]
"""Of one seed, by cell and measure, in per cent but for the entropy."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting, to be trained with several seeds.

    Attributes
    ----------
    name : str
        For people and for file names.
    config : TrainConfig
        Its settings but for the seed.
    paper : str
        What the paper has for it; empty where it has nothing.
    """

    name: str
    config: TrainConfig
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A finding of the paper, and by how many points the measures of a seed speak for it."""

    text: str
    points: Callable[[Measures], float]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A figure or table of the paper.

    Attributes
    ----------
    name, title : str
        For the command line, and for people.
    cells : tuple of Cell
        Rows of its table.
    claims : tuple of Claim
        What is to be confirmed.
    measures : tuple of str
        Columns of its table; the first is what the plot shows. See `cells.measure`.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    claims: tuple[Claim, ...]
    measures: tuple[str, ...] = ("linear h", "kNN h")


NAMES = ("augmentation", "colour", "head", "temperature", "loss", "batch", "method")

SINGLE: dict[str, dict[str, Any]] = {
    "crop": {"crop_scale": (0.08, 1.0), "crop_ratio": (3 / 4, 4 / 3)},
    "flip": {"flip": 0.5},
    "colour": {"jitter": 0.8, "strength": 1.0},
    "grey": {"grey": 0.5},
    "blur": {"blur": 0.5},
}
"""The augmentations of this package, each alone. The paper's cutout, rotation, noise and Sobel
filter are none of them. A grey view in two is its strongest."""

_NOTHING = Augmentation(
    crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0, blur=0.0
)


def pair_name(one: str, other: str) -> str:
    """Name of the cell of two augmentations, in whatever order, or of one twice: alone."""
    first, second = sorted((one, other), key=list(SINGLE).index)
    return first if first == second else f"{first}+{second}"


def base_config(
    *, image_size: int, width: float, batch_size: int, epochs: int, device: str = "auto"
) -> TrainConfig:
    """The settings that the rows of every experiment change."""
    return TrainConfig(
        image_size=image_size,
        width=width,
        stem="middle" if image_size <= 96 else "imagenet",
        batch_size=batch_size,
        epochs=epochs,
        temperature=0.2,
        augmentation=augmentation_for(image_size),
        device=device,
    )


def experiment(name: str, base: TrainConfig) -> Experiment:
    """An experiment around base settings, whose `augmentation`, `epochs`, `batch_size` are set."""
    return _MAKERS[name](base)


def _augmentation(base: TrainConfig) -> Experiment:
    cells = {}
    for one in SINGLE:
        for other in SINGLE:
            changed = replace(_NOTHING, **(SINGLE[one] | SINGLE[other]))
            name = pair_name(one, other)
            cells[name] = Cell(name, replace(base, augmentation=changed))

    def best_pair(found: Measures) -> float:
        others = [row["linear h"] for name, row in found.items() if name != "crop+colour"]
        return found["crop+colour"]["linear h"] - max(others)

    def over_single(found: Measures) -> float:
        single = max(found[name]["linear h"] for name in SINGLE)
        return found["crop+colour"]["linear h"] - single

    return Experiment(
        "augmentation",
        "Augmentations alone and in pairs (Fig. 5)",
        tuple(cells.values()),
        (
            Claim("No single augmentation suffices: crop + colour beats each alone.", over_single),
            Claim("Crop + colour is the best pair.", best_pair),
        ),
    )


def _colour(base: TrainConfig) -> Experiment:
    def cell(name: str, strength: float, blur: float, paper: str) -> Cell:
        changed = replace(_of(base), strength=strength, blur=blur)
        return Cell(name, replace(base, augmentation=changed), paper)

    cells = (
        cell("1-8", 1 / 8, 0.0, "59.6"),
        cell("1-4", 1 / 4, 0.0, "61.0"),
        cell("1-2", 1 / 2, 0.0, "62.6"),
        cell("1", 1.0, 0.0, "63.2"),
        cell("1 with blur", 1.0, 0.5, "64.5"),
    )
    return Experiment(
        "colour",
        "Strength of the colour jitter (Table 1)",
        cells,
        (
            Claim("Strength 1 beats 1/8.", _difference("1", "1-8")),
            Claim("Blur helps.", _difference("1 with blur", "1")),
        ),
    )


def _head(base: TrainConfig) -> Experiment:
    cells = [
        Cell(f"{head} {size}", replace(base, head=head, head_dim=size))
        for head in get_args(Head)[:2]
        for size in (32, 128, 512)
    ]
    cells.append(Cell("none", replace(base, head="none")))

    def best(found: Measures, head: str) -> float:
        return max(row["linear h"] for name, row in found.items() if name.startswith(head))

    def h_over_z(found: Measures) -> float:
        rows = [row for name, row in found.items() if name.startswith("nonlinear")]
        return min(row["linear h"] - row["linear z"] for row in rows)

    return Experiment(
        "head",
        "Projection head: kind and dimension, and h against z (Fig. 8, Table 3)",
        tuple(cells),
        (
            Claim("h is better than z = g(h), for every dimension (paper: by over 10).", h_over_z),
            Claim(
                "A non-linear head beats none (paper: by over 10).",
                lambda m: best(m, "nonlinear") - best(m, "none"),
            ),
            Claim(
                "A non-linear head beats a linear one (paper: by 3).",
                lambda m: best(m, "nonlinear") - best(m, "linear"),
            ),
        ),
        ("linear h", "kNN h", "linear z"),
    )


def _temperature(base: TrainConfig) -> Experiment:
    cosine = [
        Cell(f"l2, τ {t:g}", replace(base, temperature=t), paper)
        for t, paper in ((0.05, "59.7"), (0.1, "64.4"), (0.5, "60.7"), (1.0, "58.0"))
    ]
    dot = [
        Cell(f"no l2, τ {t:g}", replace(base, temperature=t, normalise=False), paper)
        for t, paper in ((10.0, "57.2"), (100.0, "57.0"))
    ]

    def l2_over_none(found: Measures) -> float:
        with_l2 = max(row["linear h"] for name, row in found.items() if name.startswith("l2"))
        return with_l2 - max(
            row["linear h"] for name, row in found.items() if name.startswith("no l2")
        )

    def inner_over_ends(found: Measures) -> float:
        inner = max(found[f"l2, τ {t:g}"]["linear h"] for t in (0.1, 0.5))
        return inner - max(found[f"l2, τ {t:g}"]["linear h"] for t in (0.05, 1.0))

    return Experiment(
        "temperature",
        "Temperature, and the length of projections (Table 5)",
        (*cosine, *dot),
        (
            Claim("Cosines beat dot products for the task that follows.", l2_over_none),
            Claim("A temperature in the middle beats both ends.", inner_over_ends),
        ),
        ("linear h", "kNN h", "contrastive", "entropy"),
    )


def _loss(base: TrainConfig) -> Experiment:
    cells = (
        Cell("nt-xent", base, "63.9"),
        Cell("nt-logistic", replace(base, loss="nt-logistic"), "51.6"),
        Cell("nt-logistic-semi-hard", replace(base, loss="nt-logistic-semi-hard"), "57.9"),
        Cell("margin", replace(base, loss="margin"), "50.9"),
        Cell("margin-semi-hard", replace(base, loss="margin-semi-hard"), "57.5"),
        Cell("dcl", replace(base, loss="dcl")),
    )

    def best_of_paper(found: Measures) -> float:
        others = [row["linear h"] for name, row in found.items() if name not in ("nt-xent", "dcl")]
        return found["nt-xent"]["linear h"] - max(others)

    return Experiment(
        "loss",
        "Losses (Table 4)",
        cells,
        (
            Claim("NT-Xent is the best of the paper's losses.", best_of_paper),
            Claim("Semi-hard negatives help margins.", _difference("margin-semi-hard", "margin")),
        ),
    )


def _batch(base: TrainConfig) -> Experiment:
    epochs, batch = base.epochs or 20, base.batch_size or 256
    cells = tuple(
        Cell(f"batch {b}, {e} epochs", replace(base, batch_size=b, epochs=e))
        for b in (batch // 4, batch, batch * 4)
        for e in (max(1, epochs // 2), epochs, epochs * 2)
    )

    def longer(found: Measures) -> float:
        shortest, longest = f"{max(1, epochs // 2)} epochs", f"{epochs * 2} epochs"
        return min(
            found[f"batch {b}, {longest}"]["linear h"] - found[f"batch {b}, {shortest}"]["linear h"]
            for b in (batch // 4, batch, batch * 4)
        )

    def larger(found: Measures) -> float:
        short = f"{max(1, epochs // 2)} epochs"
        return (
            found[f"batch {batch * 4}, {short}"]["linear h"]
            - found[f"batch {batch // 4}, {short}"]["linear h"]
        )

    return Experiment(
        "batch",
        "Batch size and epochs (Fig. 9)",
        cells,
        (
            Claim("Longer training helps, at every batch size.", longer),
            Claim("Larger batches help where training is short.", larger),
        ),
    )


def _method(base: TrainConfig) -> Experiment:
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
            Claim("SimCLR beats InstDisc.", _difference("simclr", "instdisc")),
            Claim("SimCLR beats the untrained network.", _difference("simclr", "untrained")),
            Claim("Supervised training is still ahead.", _difference("supervised", "simclr")),
        ),
    )


def _of(base: TrainConfig) -> Augmentation:
    assert base.augmentation is not None
    return base.augmentation


def _difference(one: str, other: str) -> Callable[[Measures], float]:
    return lambda found: found[one]["linear h"] - found[other]["linear h"]


_MAKERS: dict[str, Callable[[TrainConfig], Experiment]] = {
    "augmentation": _augmentation,
    "colour": _colour,
    "head": _head,
    "temperature": _temperature,
    "loss": _loss,
    "batch": _batch,
    "method": _method,
}
