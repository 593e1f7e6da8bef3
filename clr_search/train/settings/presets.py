"""Settings that belong together, under a name, each with its source and what to expect of it.

A setting that is given beside a preset goes before it; what a preset leaves open is chosen as ever;
what of it a method has no use for is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import settings_of
from clr_search.train.settings.names import MethodName

PresetName = Literal["photos-small", "photos", "adapt", "cifar10", "imagenette"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe.

    Attributes
    ----------
    config : TrainConfig
        Its settings.
    purpose, source, expected : str
        What it is for, where its settings come from, and what they reach.
    """

    config: TrainConfig
    purpose: str
    source: str
    expected: str


PRESETS: dict[PresetName, Preset] = {
    "photos-small": Preset(
        TrainConfig(
            width=0.5,
            stem="imagenet",
            batch_size=128,
            learning_rate=2e-3,
            temperature=0.2,
            augmentation=Augmentation(crop_scale=(0.3, 1.0), strength=0.2, grey=0.0, blur=0.0),
        ),
        "some hundred to some thousand photos, in minutes on a processor",
        "tried on flowers5: the paper's augmentation asks for hundreds of epochs, and where there "
        "are few, every invariance costs what it would have told apart, colour first of all",
        "see the table in README.md",
    ),
    "photos": Preset(
        TrainConfig(image_size=96, stem="imagenet", batch_size=256, epochs=200),
        "tens of thousands of photos, in hours or on a GPU",
        "SimCLR's own augmentation and temperature (§3, Table 5)",
        "not measured yet",
    ),
    "adapt": Preset(
        TrainConfig(
            batch_size=128,
            learning_rate=5e-4,
            temperature=0.2,
            loss="dcl",
            epochs=30,
            patience=5,
            augmentation=Augmentation(crop_scale=(0.3, 1.0), strength=0.2, grey=0.0, blur=0.0),
        ),
        "to make an encoder that has learned already fit some hundred to some thousand pictures",
        "photos-small with a fourth of its learning rate, so that what was learned is kept; DCL "
        "(arXiv 2110.06848), which needs no large batch; and an end when pictures held out are "
        "told apart no better",
        "see docs/model-card.md",
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
        "CIFAR-10, and pictures as small",
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


def without_unused(config: TrainConfig, method: MethodName, processes: int) -> TrainConfig:
    """Settings of a preset, or of the network to begin with, less those that would be refused.

    Whoever did not give a setting cannot leave it out.

    Parameters
    ----------
    config : TrainConfig
        The settings, for SimCLR in one process.
    method : str
        Which method is to train with them, next.
    processes : int
        How many processes are.
    """
    unused = {s.name for s in settings_of(TrainConfig) if s.method not in (None, method)}
    if method == "supervised":
        unused |= {"head", "patience"}
    if processes > 1:
        unused.add("patience")
    return replace(config, **{name: getattr(TrainConfig(), name) for name in unused})


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises
    ------
    UsageError
        If there is none.
    """
    for known in get_args(PresetName):
        if known == name:
            return PRESETS[known]
    raise UsageError(f"There is no preset {name}.", f"Choose one of: {', '.join(PRESETS)}.")
