"""The design of each experiment: the trainings it compares, and the findings it tests.

"Fig." and "Table" refer to SimCLR, arXiv 2002.05709. The paper reports linear top-1 accuracy on
ImageNet with ResNet-50, so the order of its rows can be compared with ours, its numbers cannot.
"""

from __future__ import annotations

from collections.abc import Callable

from clr_search.errors import UsageError
from clr_search.train.settings.choices import augmentation_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.design import augmentations, objectives, scales
from clr_search.train.study.experiment import Experiment

NAMES = ("augmentation", "head", "temperature", "batch", "colour", "size", "loss", "method")

INSIGHTS = NAMES[:6]
"""The experiments with cells of the four insights, the most important first."""


def base_config(
    *, image_size: int, width: float, batch_size: int, device: str = "auto"
) -> TrainConfig:
    """The settings from which the cells of all experiments differ; see `TrainConfig`.

    The number of epochs is left open, and that of a cell is the length that it is trained at. They
    are in fp32, so that a study can be continued on another machine.
    """
    return TrainConfig(
        image_size=image_size,
        width=width,
        stem="middle" if image_size <= 96 else "imagenet",
        batch_size=batch_size,
        temperature=0.2,
        augmentation=augmentation_for(image_size),
        device=device,
        precision="fp32",
        knn_every=0,
        checkpoint_minutes=1.0,
    )


def experiment(name: str, base: TrainConfig) -> Experiment:
    """The design of an experiment.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    base : TrainConfig
        Settings from which the cells differ, as `base_config` makes them: `augmentation` and
        `batch_size` are not None.
    """
    return _DESIGNS[name](base)


def chosen(
    names: tuple[str, ...], base: TrainConfig, *, core: bool = False
) -> tuple[Experiment, ...]:
    """The experiments of some names, each once; "insights" and "all" are several.

    With `core`, and where only "insights" asks for it, an experiment has the cells and claims of
    the four insights only.

    Raises
    ------
    UsageError
        If none is left of an experiment with `core`.
    """
    whole = [name for given in names for name in (NAMES if given == "all" else (given,))]
    found: dict[str, Experiment] = {}
    for name in whole:
        if name == "insights":
            for one in INSIGHTS:
                found.setdefault(one, experiment(one, base).core())
        else:
            found[name] = experiment(name, base)
    kept = tuple(one.core() if core else one for one in found.values())
    for empty in (one for one in kept if not one.cells):
        raise UsageError(
            f"The four insights need nothing of the experiment {empty.name}.",
            f"Leave out --core, or choose among {', '.join(INSIGHTS)}.",
        )
    return kept


_DESIGNS: dict[str, Callable[[TrainConfig], Experiment]] = {
    "augmentation": augmentations.augmentation,
    "head": objectives.head,
    "temperature": objectives.temperature,
    "batch": scales.batch,
    "colour": augmentations.colour,
    "size": scales.size,
    "loss": objectives.loss,
    "method": scales.method,
}
