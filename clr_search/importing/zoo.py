"""Networks of timm and torchvision, with the weights that those libraries load, or from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from clr_search.contract.model_file import OPSET
from clr_search.errors import ClrSearchError, UsageError, require, shortened
from clr_search.export.onnx import trace_backbone
from clr_search.importing.configurations import of_timm
from clr_search.importing.recipe import Recipe
from clr_search.importing.wrap import Network

_HEADS = ("fc", "classifier", "heads", "head", "head_dist", "last_linear")
"""Names of the layers behind the embedding, whose weights a file may have and the network lacks."""


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
        _load(model, weights, source)
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
    for head in _HEADS:
        if isinstance(getattr(model, head, None), nn.Module):
            setattr(model, head, nn.Identity())
            break
    else:
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
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return UsageError(
        f"{source} cannot be made: {reason}",
        "Check the name; where its weights cannot be loaded from the network, give them by "
        "--weights FILE.",
    )


def _load(model: nn.Module, path: Path, source: str) -> None:
    """Load the weights of a file into a network, all but those of a classifier."""
    state = _state(path)
    expected = model.state_dict()
    kept = {name: value for name, value in state.items() if name in expected}
    missing = sorted(name for name in expected.keys() - kept.keys() if not _counter(name))
    beside = [name for name in state if name not in expected and not _of_head(name)]
    if missing and len(beside) >= len(missing):
        kept, missing, beside = _in_order(state, expected, source, path), [], []
    if missing or beside:
        one = shortened((missing or beside)[0])
        raise UsageError(
            f"{path} does not hold the weights of {source}: it "
            f"{'lacks' if missing else 'also has'} {one}"
            f"{f' and {len(missing or beside) - 1} more' if len(missing or beside) > 1 else ''}.",
            "Give the weights of exactly this network.",
        )
    try:
        model.load_state_dict(kept, strict=False)
    except RuntimeError as error:  # sizes that do not fit
        reason = str(error).strip().splitlines()[-1].strip()[:200]
        raise UsageError(f"{path} does not hold the weights of {source}: {reason}") from error


def _in_order(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str, path: Path
) -> dict[str, Tensor]:
    """Match weights of other names by their order and shapes, which must agree without exception.

    Other implementations of a network name its layers otherwise, and list them in the same order.
    """
    theirs = [
        (name, value)
        for name, value in state.items()
        if not _counter(name) and not _of_head(name) and value.dim()
    ]
    ours = [(name, value) for name, value in expected.items() if not _counter(name)]
    for (their, value), (our, wanted) in zip(theirs, ours, strict=False):
        if value.shape != wanted.shape or their.rpartition(".")[2] != our.rpartition(".")[2]:
            raise UsageError(
                f"{path} does not hold the weights of {source}: {shortened(their)} is "
                f"{tuple(value.shape)}, and {our} should be {tuple(wanted.shape)}.",
                "Give the weights of exactly this network.",
            )
    if len(theirs) != len(ours):
        raise UsageError(
            f"{path} does not hold the weights of {source}: it has {len(theirs)} tensors, not "
            f"{len(ours)}.",
            "Give the weights of exactly this network.",
        )
    return {our: value for (_, value), (our, _) in zip(theirs, ours, strict=True)}


def _counter(name: str) -> bool:
    """Return whether a tensor only counts batches of the training."""
    return name.endswith("num_batches_tracked")


def _of_head(name: str) -> bool:
    """Return whether a tensor is of a classifier."""
    return name.split(".")[0].lstrip("_") in _HEADS


def _state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights, without running anything that is in it."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors have errors of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(
            f"{path} holds no weights that can be loaded safely: {reason}",
            "Give a .safetensors file, or a .pth of tensors only.",
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise UsageError(
            f"{path} holds something else than named tensors.",
            "Give a .safetensors file, or a .pth of a state_dict.",
        )
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}
