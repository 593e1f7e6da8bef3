"""Weights that other programs have written, for networks that they know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from clr_search.errors import UsageError, reason_of, shortened

_HEADS = ("fc", "classifier", "heads", "head", "head_dist", "last_linear")
"""Names of the layers behind the embedding, whose weights a file may have and the network lacks."""


def drop_classifier(model: nn.Module) -> bool:
    """Let a network put out what its classifier reads; return whether it had one."""
    for head in _HEADS:
        if isinstance(getattr(model, head, None), nn.Module):
            setattr(model, head, nn.Identity())
            return True
    return False


def load_foreign(model: nn.Module, path: Path, source: str) -> None:
    """Load the weights of a file of another program into a network, all but those of a classifier.

    Parameters
    ----------
    model : nn.Module
        The network.
    path : Path
        A `.safetensors`, or a `.pth` that is loaded with ``weights_only``.
    source : str
        The name of the network, for messages.

    Raises
    ------
    UsageError
        If the file cannot be loaded safely, or its weights are not of this network.
    """
    state = tensors_of(path)
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


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights, without running anything that is in it.

    Raises
    ------
    UsageError
        If it holds anything else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors have errors of their own
        raise UsageError(
            f"{path} holds no weights that can be loaded safely: {reason_of(error)}",
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
