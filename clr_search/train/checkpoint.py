"""`checkpoints/last.safetensors`: all that a run needs to go on as if nothing had happened.

Tensors ``networks.<name>`` and ``optimizer.<number>.<name>``, and one JSON text of metadata. There
are no states of random generators to keep, see `rng`. The file replaces the one before it in one
rename, so that a process killed at any instant leaves a whole one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from clr_search.errors import UsageError
from clr_search.files.write import atomic_path

CHECKPOINT = Path("checkpoints") / "last.safetensors"
BEST = CHECKPOINT.with_name("best.safetensors")
"""The same of the best epoch so far, where a training may stop early; see `heldout`."""

_KEY = "clr_search.progress"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    epoch, step : int
        Epochs and steps finished; the steps of the epoch in hand are those beyond.
    loss_sum, accuracy_sum : float
        Over the steps of the epoch in hand.
    seconds, waited : float
        Spent in the epoch in hand, and waiting for pixels in it.
    total_seconds : float
        Spent in all finished epochs.
    fingerprint : str
        Of the collection, see `data`.
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
    """Write a checkpoint, whole or not at all."""
    tensors = {f"networks.{name}": value for name, value in networks.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary, metadata={_KEY: json.dumps(asdict(progress))})


def load_checkpoint(path: Path, networks: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Bring networks and optimizer to where a checkpoint stands.

    Raises
    ------
    UsageError
        If the file is damaged, or of other networks.
    """
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()[_KEY]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        networks.load_state_dict(_below("networks.", tensors))
        _restore(optimizer, _below("optimizer.", tensors))
    except (SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{path} is damaged or of another network: {reason}",
            "Start the run anew with --force.",
        ) from error
    return progress


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        weight = parameters[int(number)]
        if tensor.shape == weight.shape:
            # In the parameter's own memory layout: a sum over another order has other last bits.
            tensor = torch.empty_like(weight).copy_(tensor)
        state.setdefault(int(number), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
