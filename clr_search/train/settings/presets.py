"""Presets: settings that belong together, under a name, with their source and what they reach.

A setting that is given beside a preset replaces that of the preset. Settings that a preset leaves
open are chosen by `choices.resolve`. Settings of a preset that the method does not read are left
out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import settings_of
from clr_search.train.settings.model import OF_SIMCLR
from clr_search.train.settings.names import MethodName
from clr_search.train.settings.zoo import OF_RESNETS, of_timm

PresetName = Literal["photos-small", "photos", "adapt", "adapt-others", "cifar10", "imagenette"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that belong together.

    Attributes
    ----------
    config : TrainConfig
        The settings.
    purpose : str
        The images and the machine that the preset is meant for.
    source : str
        Where its settings come from.
    expected : str
        The quality that it reaches, or where that is written.
    """

    config: TrainConfig
    purpose: str
    source: str
    expected: str


_WEAK = Augmentation(crop_scale=(0.3, 1.0), strength=0.2, grey=0.0, blur=0.0)

_ADAPT = TrainConfig(
    batch_size=128,
    learning_rate=5e-4,
    temperature=0.2,
    loss="dcl",
    epochs=30,
    patience=5,
    augmentation=_WEAK,
)

PRESETS: dict[PresetName, Preset] = {
    "photos-small": Preset(
        TrainConfig(
            width=0.5,
            stem="imagenet",
            batch_size=128,
            learning_rate=2e-3,
            temperature=0.2,
            augmentation=_WEAK,
        ),
        "some hundred to some thousand photos, in minutes on a processor",
        "tried on flowers5: the paper's augmentation needs hundreds of epochs; with few epochs, "
        "weak crops and little colour jitter are better, because colour tells these images apart",
        "see the table in README.md",
    ),
    "photos": Preset(
        TrainConfig(image_size=96, stem="imagenet", batch_size=256, epochs=200),
        "tens of thousands of photos, in hours or on a GPU",
        "SimCLR's own augmentation and temperature (§3, Table 5)",
        "not measured yet",
    ),
    "adapt": Preset(
        _ADAPT,
        "adapting a trained encoder (`--init`) to some hundred to some thousand images",
        "photos-small with a fourth of its learning rate, so that the encoder keeps what it has "
        "learned; DCL (arXiv 2110.06848), which needs no large batch; training stops when the loss "
        "on held-out images stops falling",
        "see docs/model-card.md",
    ),
    "adapt-others": Preset(
        replace(
            _ADAPT,
            augmentation=replace(_WEAK, strength=1.0),
        ),
        "adapting an encoder of others (`--init`), which has learned from labels, to some thousand "
        "images",
        "adapt with SimCLR's colour jitter: what is told apart by colour alone is soon learned, "
        "and then takes the place of what the labels have taught",
        "see bench/results/imported.md",
    ),
    "cifar10": Preset(
        TrainConfig(
            image_size=32,
            batch_size=512,
            epochs=200,
            temperature=0.5,
            optimizer="sgd",
            weight_decay=5e-4,
        ),
        "CIFAR-10, and other images of this size",
        "temperature and augmentation of SimCLR, B.9; batch, epochs, SGD and weight decay of "
        "lightly's benchmark, whose learning rate is 0.06 · B/128: 0.24 where it is 0.12 here",
        "not measured here yet; lightly's benchmark, at its own rate, reports 84.8 % kNN "
        "(ResNet-18, batch 512, the best of 200 epochs)",
    ),
    "imagenette": Preset(
        TrainConfig(
            image_size=128,
            batch_size=256,
            epochs=800,
            temperature=0.5,
            optimizer="sgd",
            weight_decay=5e-4,
        ),
        "Imagenette, and ten thousand photos on a GPU",
        "batch, epochs, temperature, SGD, its rate and weight decay of lightly's benchmark; "
        "augmentation and warm-up of SimCLR",
        "not measured here yet; lightly's benchmark reports 88.9 % kNN (ResNet-18)",
    ),
}


def without_unused(
    config: TrainConfig,
    method: MethodName,
    processes: int,
    *,
    alone: bool = False,
    architecture: str | None = None,
) -> TrainConfig:
    """Settings of a preset or of initial weights, with defaults where a training would refuse them.

    A setting that the user has not given is not one that the user could leave out, so it must not
    be refused.

    Parameters
    ----------
    config : TrainConfig
        Settings for SimCLR in one process.
    method : str
        The method that is to train with them.
    processes : int
        Number of processes.
    alone : bool
        Whether a teacher alone is to say what is learned.
    architecture : str, optional
        The network that is to be trained; by default, that of `config`.
    """
    unused = {s.name for s in settings_of(TrainConfig) if s.method not in (None, method)}
    if method == "supervised":
        unused |= {"head", "patience"}
    architecture = architecture or config.architecture
    if of_timm(architecture):
        unused |= {"stem", "grow_from", "local_views", "local_size", *OF_RESNETS}
    if alone:
        unused |= {*OF_SIMCLR}
    if processes > 1:
        unused.add("patience")
    defaults = {name: getattr(TrainConfig(), name) for name in unused}
    return replace(config, architecture=architecture, **defaults)


def preset(name: str) -> Preset:
    """The preset with a name.

    Raises
    ------
    UsageError
        If there is no such preset; lists those there are.

    Examples
    --------
    >>> preset("cifar10").config.image_size
    32
    """
    for known in get_args(PresetName):
        if known == name:
            return PRESETS[known]
    raise UsageError(f"There is no preset {name}.", f"Choose one of: {', '.join(PRESETS)}.")
