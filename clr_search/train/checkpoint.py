"""`checkpoints/last.safetensors`: the state from which a training resumes exactly.

The file holds the tensors ``networks.<name>`` and ``optimizer.<number>.<name>``, and a `Progress`
as JSON in its metadata. Random generators have no state to keep, see `rng`. A new file takes the
place of the old one by one rename, so that a process killed at any moment leaves a whole file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from clr_search.errors import UsageError
from clr_search.files.strict_json import parse_object
from clr_search.files.write import atomic_path
from clr_search.train.tensors import write_tensors

CHECKPOINT = Path("checkpoints") / "last.safetensors"
BEST = CHECKPOINT.with_name("best.safetensors")
"""Checkpoint of the best epoch so far, if the training may stop early; see `heldout`."""

_KEY = "clr_search.progress"

_UNREADABLE = (RuntimeError, TypeError, KeyError, ValueError, IndexError, AttributeError)
"""What reading a damaged checkpoint raises; `RecursionError` is a `RuntimeError`."""

_MOST = 2**53  # greatest number of a progress that is believed; it also bounds NaN and infinity
_SHOWN = 200  # characters of a reason that are told


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come.

    Attributes
    ----------
    epoch, step : int
        Number of finished epochs, and of finished steps, those of the current epoch included.
    loss_sum, accuracy_sum : float
        Sums of loss and contrastive accuracy over the finished steps of the current epoch.
    seconds, waited : float
        Time spent on the current epoch, and the part of it spent waiting for pixels.
    total_seconds : float
        Time spent on all finished epochs.
    fingerprint : str
        Fingerprint of the images, see `Collection`.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    total_seconds: float = 0.0
    fingerprint: str = ""


def save_checkpoint(
    path: Path, networks: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write a checkpoint, whole or not at all.

    Raises
    ------
    OSError
        If the disk is full, say; the checkpoint before it stays.
    """
    tensors = {f"networks.{name}": value for name, value in networks.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        write_tensors(temporary, on_cpu, {_KEY: json.dumps(asdict(progress))})


def load_checkpoint(path: Path, networks: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the state of networks and optimizer from a checkpoint, in place.

    Returns
    -------
    Progress
        How far the training had come.

    Raises
    ------
    UsageError
        If the file is damaged, or belongs to other networks.
    """
    try:
        with safe_open(path, framework="pt") as file:
            progress = _progress(file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        networks.load_state_dict(_with_prefix("networks.", tensors))
        _restore(optimizer, _with_prefix("optimizer.", tensors))
    except (SafetensorError, OSError, *_UNREADABLE) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:_SHOWN]
        raise UsageError(
            f"{path} is damaged or of another network: {reason}",
            "Restore it from a copy and resume, or start the run anew with --force.",
        ) from error
    return progress


def _progress(metadata: dict[str, str] | None) -> Progress:
    """Reads the progress out of the metadata; raises one of `_UNREADABLE` where it is damaged."""
    stored = parse_object((metadata or {})[_KEY])
    if stored.keys() != {item.name for item in fields(Progress)}:
        raise ValueError("it does not say how far the training had come")
    progress = Progress(**stored)  # type: ignore[arg-type]
    for item in fields(progress):
        value, kind = getattr(progress, item.name), type(item.default)
        kinds = (int, float) if kind is float else (kind,)
        if type(value) not in kinds:
            raise TypeError(f"its {item.name} is no {kind.__name__}")
        if not isinstance(value, str) and not 0 <= abs(value) < _MOST:
            raise ValueError(f"its {item.name} is out of range")
    if progress.epoch < 0 or progress.step < 0:
        raise ValueError("its epoch or step is negative")
    return progress


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the state of an optimizer from tensors ``<number of parameter>.<name>``."""
    parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        weight = parameters[int(number)]
        if tensor.shape == weight.shape:
            # The memory layout is that of the parameter: sums in another order differ in last bits.
            tensor = torch.empty_like(weight).copy_(tensor)
        state.setdefault(int(number), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
