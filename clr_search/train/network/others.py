"""Initial weights of others: of timm and torchvision by their own loaders, or of a file.

A network of torchvision, resnet18, resnet34 or resnet50, is the same as ours of full width with the
stem for ImageNet; only its layers have other names. Files are read as tensors alone, never as code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from torch import Tensor, nn

from clr_search.errors import UsageError, reason_of
from clr_search.train.network.foreign import drop_classifier, load_foreign
from clr_search.train.network.zoo import TimmEncoder
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Architecture
from clr_search.train.settings.zoo import TIMM, of_timm

TORCHVISION = "torchvision:"
"""What the name of a network of torchvision begins with."""


def of_library(init: str) -> bool:
    """Whether a value of ``--init`` names a network of a library.

    Examples
    --------
    >>> of_library("torchvision:resnet50"), of_library("weights.safetensors")
    (True, False)
    """
    return init.startswith((TIMM, TORCHVISION))


def network_of(config: TrainConfig) -> dict[str, Any]:
    """The settings of the network that weights of others are of.

    Those of a library are of its network; those of a file, of the architecture that is set.

    Raises
    ------
    UsageError
        If torchvision's network is none of ours.
    """
    init = config.init or ""
    if init.startswith(TIMM):
        return {"architecture": init}
    name = config.architecture
    if init.startswith(TORCHVISION):
        name = init.removeprefix(TORCHVISION)
        if name not in get_args(Architecture):
            known = ", ".join(f"{TORCHVISION}{one}" for one in get_args(Architecture))
            raise UsageError(f"{init} cannot be trained on.", f"Take one of {known}, or timm:NAME.")
    if of_timm(name):
        return {"architecture": name}
    return {"architecture": name, "width": 1.0, "stem": "imagenet", "norm": "batch"}


def load(encoder: nn.Module, config: TrainConfig) -> None:
    """Load weights of others into the encoder of a new run.

    Raises
    ------
    UsageError
        If the library cannot load them, or the file cannot be read safely or is of another network.
    """
    init = config.init or ""
    path = None if of_library(init) else Path(init)
    if isinstance(encoder, TimmEncoder):
        if path is None:
            theirs = TimmEncoder(init, config.image_size, pretrained=True)
            encoder.model.load_state_dict(theirs.model.state_dict())
        else:
            load_foreign(encoder.model, path, config.architecture)
        return
    encoder.load_state_dict(_renamed(_torchvision(config.architecture, path).state_dict()))


def _torchvision(name: str, path: Path | None) -> nn.Module:
    """A ResNet of torchvision without its classifier, with the library's weights or a file's."""
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT if path is None else None
        model: nn.Module = models.get_model(name, weights=weights)
    except Exception as error:  # of whatever loads it
        raise UsageError(
            f"{TORCHVISION}{name} cannot be made: {reason_of(error)}",
            "Where its weights cannot be loaded from the network, give them by --init FILE.",
        ) from error
    drop_classifier(model)
    if path is not None:
        load_foreign(model, path, name)
    return model


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a ResNet of torchvision, by the names that ours has for them."""
    parts = {"conv1": "stem.0", "bn1": "stem.1"}
    parts |= {f"layer{number + 1}": f"stages.{number}" for number in range(4)}
    return {
        ".".join((parts[name.partition(".")[0]], name.partition(".")[2])): value
        for name, value in state.items()
    }
