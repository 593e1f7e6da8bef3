"""Networks of timm and torchvision, with the weights that those libraries load, or from a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import nn

from clr_search.contract.model_file import OPSET
from clr_search.errors import ClrSearchError, UsageError, reason_of, require
from clr_search.export.onnx import trace_backbone
from clr_search.importing.configurations import of_timm
from clr_search.importing.recipe import Recipe
from clr_search.importing.wrap import Network
from clr_search.train.network.foreign import drop_classifier, load_foreign


@dataclass(frozen=True, slots=True)
class Zoo:
    """A network of a library, traced, with what the library says of it.

    Attributes
    ----------
    network : Network
        The network, from pictures to vectors, and torch to run it.
    recipe : Recipe
        Its preprocessing.
    library : str
        The library with its version.
    origin : str
        What the card says.
    sha256 : str
        SHA-256 of the file of weights; empty for the library's own.
    """

    network: Network
    recipe: Recipe
    library: str
    origin: str
    sha256: str


def read_zoo(source: str, asked: Recipe, weights: Path | None) -> Zoo:
    """Make the network of a source such as ``"timm:resnet18"``.

    Raises
    ------
    UsageError
        If the library is not installed or has no such network, or the weights are not of it.
    """
    library, _, name = source.partition(":")
    require("torch", "train")
    module = require(library, "timm" if library == "timm" else "train")
    model, recipe = (_timm if library == "timm" else _torchvision)(name, weights)
    if weights is not None:
        load_foreign(model, weights, source)
    model = model.float().cpu().eval()
    side = asked.image_size or recipe.image_size
    if side is None:
        raise UsageError(f"{source} says no size of pictures.", "Give it: --image-size 224")
    graph = trace_backbone(model, side)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest() if weights else ""
    of = f"{weights.name}, SHA-256 {sha256}" if weights else "the library's own weights"
    origin = f"{source}, {of}"
    recipe = recipe | Recipe(name=name, layout="nchw")
    return Zoo(Network(made, _runner(model)), recipe, _version(module), origin, sha256)


def _version(module: Any) -> str:
    """Return the name and version of a library."""
    return f"{module.__name__} {module.__version__}"


def _runner(model: nn.Module) -> Any:
    """Return a function that runs the network in torch."""

    def run(prepared: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            result: NDArray[Any] = model(torch.from_numpy(prepared)).numpy()
        return result

    return run


def _timm(name: str, weights: Path | None) -> tuple[nn.Module, Recipe]:
    """Return a network of timm without its classifier, and its preprocessing."""
    timm = require("timm", "timm")
    try:
        model = timm.create_model(name, pretrained=weights is None, num_classes=0)
    except Exception as error:
        raise _not_made(f"timm:{name}", error) from error
    config = timm.data.resolve_data_config({}, model=model)
    own = getattr(model, "pretrained_cfg", None) or {}
    return model, of_timm(config) | Recipe(licence=own.get("license"))


def _torchvision(name: str, weights: Path | None) -> tuple[nn.Module, Recipe]:
    """Return a network of torchvision without its classifier, and its preprocessing."""
    from torchvision import models

    try:
        chosen = models.get_model_weights(name).DEFAULT
        model = models.get_model(name, weights=chosen if weights is None else None)
    except Exception as error:
        raise _not_made(f"torchvision:{name}", error) from error
    if not drop_classifier(model):
        raise UsageError(f"torchvision:{name} is no network that classifies pictures.")
    prepare = chosen.transforms()
    bicubic = "bicubic" in str(prepare.interpolation).lower()
    return model, Recipe(
        image_size=prepare.crop_size[0],
        resize=prepare.resize_size[0],
        fit="centre",
        filter="bicubic" if bicubic else "bilinear",
        mean=tuple(prepare.mean),
        std=tuple(prepare.std),
    )


def _not_made(source: str, error: Exception) -> ClrSearchError:
    """Return the error for a network that a library does not make."""
    return UsageError(
        f"{source} cannot be made: {reason_of(error)}",
        "Check the name; where its weights cannot be loaded from the network, give them by "
        "--weights FILE.",
    )
