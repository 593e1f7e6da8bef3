"""`checkpoints/last.safetensors`: the state from which a training resumes exactly.

The file holds the tensors ``networks.<name>`` and ``optimizer.<number>.<name>``, and a `Progress`
as JSON in its metadata. Random generators have no state to keep, see `rng`. A new file takes the
place of the old one by one rename, so that a process killed at any moment leaves a whole file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from clr_search.errors import UsageError, reason_of
from clr_search.files.own import OwnFile
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.train.network.tensors import to_bytes
from clr_search.train.optimization.pace import Schedule

CHECKPOINT = Path("checkpoints") / "last.safetensors"
"""Path of the checkpoint of the last epoch or step, relative to the run."""

BEST = CHECKPOINT.with_name("best.safetensors")
"""Path of the checkpoint of the best epoch, if the training may stop early; see `heldout`."""

_KEY = "clr_search.progress"
"""Name of the metadata entry that holds the `Progress`."""

_UNREADABLE = (RuntimeError, TypeError, KeyError, ValueError, IndexError, AttributeError)
"""What reading a damaged checkpoint raises; `RecursionError` is a `RuntimeError`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a training when a checkpoint was written.

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
    elapsed : float
        Time since the beginning of the training, measurements included and pauses left out.
    schedule : Schedule or None
        The schedule, which lack of time may have shortened; None in files of early versions.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    total_seconds: float = 0.0
    fingerprint: str = ""
    elapsed: float = 0.0
    schedule: Schedule | None = None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `asdict` has made, as JSON text.

        Raises
        ------
        ValueError, TypeError
            If the text is no JSON, or its fields are not those of this class.
        """
        values: dict[str, Any] = parse_object(text)
        if values.get("schedule") is not None:
            values["schedule"] = Schedule(**checked_fields(values["schedule"], Schedule))
        if not {"epoch", "step", "fingerprint"} <= values.keys():
            raise ValueError("it does not say how far the training had come")
        progress = cls(**checked_fields(values, cls))
        if min(progress.epoch, progress.step) < 0:
            raise ValueError("its epoch or step is negative")
        return progress


def save_checkpoint(
    path: OwnFile | Path,
    networks: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write; a checkpoint of that name is replaced.
    networks, optimizer : nn.Module, Optimizer
        The state to save; tensors on a GPU are copied to the processor.
    progress : Progress
        Progress of the training.

    Raises
    ------
    DiskError
        If the file cannot be written, as on a full disk; the previous checkpoint stays.

    Examples
    --------
    >>> network = nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    >>> save_checkpoint(Path("last.safetensors"), network, optimizer, Progress(epoch=3))
    >>> load_checkpoint(Path("last.safetensors"), network, optimizer).epoch
    3
    """
    tensors = {f"networks.{name}": value for name, value in networks.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {_KEY: json.dumps(asdict(progress))}
    OwnFile.at(path).write(to_bytes(on_cpu, metadata))


def load_checkpoint(
    path: OwnFile | Path, networks: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load the state of networks and optimizer from a checkpoint, in place.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.
    networks, optimizer : nn.Module, Optimizer
        Networks and optimizer of the same shapes as those that were saved.

    Returns
    -------
    Progress
        Progress of the training when the checkpoint was written.

    Raises
    ------
    UsageError
        If the file is damaged, or belongs to other networks.
    """
    data = OwnFile.at(path).read_bytes()
    try:
        tensors = load(data)
        progress = Progress.from_json(metadata_of(data)[_KEY])
        networks.load_state_dict(_with_prefix("networks.", tensors))
        _restore(optimizer, _with_prefix("optimizer.", tensors))
    except (SafetensorError, OSError, *_UNREADABLE) as error:
        raise UsageError(
            f"{path} is damaged or of another network: {reason_of(error)}",
            "Restore it from a copy and resume, or start the run anew with --force.",
        ) from error
    return progress


def metadata_of(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file that `safetensors` has accepted; KeyError without any."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, under their names without it."""
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
