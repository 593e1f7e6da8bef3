"""A run is the folder that training writes and export reads.

::

    run/
      config.json            every setting, with all defaults chosen
      weights.safetensors    tensors "encoder.…" (f) and "head.…" (g), with the shape of the network
      metrics.jsonl          one row for each epoch
      curves.png             the metrics as a picture
      album/                 small pictures: what the network sees, and how it learns, see `album`
      checkpoints/           last.safetensors, see `checkpoint`
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.files.write import refuse_existing, sha256_bytes
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.monitor.metrics import METRICS, best_epoch, read_metrics
from clr_search.train.network.backbone import Backbone
from clr_search.train.network.fitting import require_fit
from clr_search.train.network.initial import NETWORK, WEIGHTS, Shape
from clr_search.train.network.model import build_encoder, build_head
from clr_search.train.network.tensors import to_bytes
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig

CONFIG = "config.json"
"""Name of the file with the settings of a run."""

_MAKE = "Make one with: clr-search train IMAGES --out RUN"

PARTS = ("encoder", "head")
"""Names of the networks in `weights.safetensors`; others that a method trains are not saved."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was read from its folder.

    Attributes
    ----------
    path : Path
        The folder.
    config : ResolvedConfig
        The settings of the training.
    encoder, head : Backbone, nn.Sequential
        f and g with their weights, in evaluation mode, on the processor.
    weights_sha256 : str
        SHA-256 of `weights.safetensors`.
    metrics : list of dict
        The rows of `metrics.jsonl`, one for each finished epoch; empty for an untrained network.
    """

    path: Path
    config: ResolvedConfig
    encoder: Backbone
    head: nn.Sequential
    weights_sha256: str
    metrics: list[dict[str, Any]]

    @property
    def epochs(self) -> int:
        """Number of epochs that the weights were trained for."""
        best = best_epoch(self.metrics)
        return best or (int(self.metrics[-1]["epoch"]) if self.metrics else 0)


def load_config(path: OwnFolder | Path | str) -> ResolvedConfig:
    """Read the settings of a run from its `config.json`.

    Parameters
    ----------
    path : OwnFolder, Path or str
        Folder of the run.

    Returns
    -------
    ResolvedConfig
        The settings, with all defaults chosen.

    Raises
    ------
    UsageError
        If `path` is no run, or its settings cannot be read.
    """
    file = opened(path) / CONFIG
    if not file.exists():
        raise UsageError(f"{path} is not a run: it has no config.json.", _MAKE)
    return ResolvedConfig.from_file(file)


def opened(path: OwnFolder | Path | str) -> OwnFolder:
    """Return the folder of a run, opened; refuse a path at which there is none."""
    if isinstance(path, OwnFolder):
        return path
    if not Path(path).exists():
        raise UsageError(f"{path} does not exist.", _MAKE)
    if not Path(path).is_dir():
        raise UsageError(f"{path} is not a run: it has no config.json.", _MAKE)
    return OwnFolder(Path(path))


def load_run(path: Path | str) -> Run:
    """Read the settings, the weights and the metrics of a run.

    Parameters
    ----------
    path : Path or str
        Folder of the run.

    Returns
    -------
    Run
        The run, with its networks on the processor.

    Raises
    ------
    UsageError
        If the folder is no run, the run has no weights yet, or its weights are damaged or belong
        to another network.

    Examples
    --------
    >>> folder = write_initial_run(TrainConfig(image_size=32, width=0.25), "run")
    >>> run = load_run(folder)
    >>> run.encoder.dimension, run.epochs
    (128, 0)
    """
    folder = opened(path)
    config = load_config(folder)
    weights = folder / WEIGHTS
    if not weights.exists():
        early = (folder / CHECKPOINT).exists() and not read_metrics(folder / METRICS)
        when = "interrupted in its first epoch" if early else "cut off"
        raise UsageError(
            f"{path} has no weights yet: its training was {when}.",
            f"Go on with: clr-search train IMAGES --out {path} --resume",
        )
    data = weights.read_bytes()
    try:
        tensors = load_tensors(data)
        require_fit({name: tensor.shape for name, tensor in tensors.items()}, config)
        encoder = build_encoder(config)
        head = build_head(config, encoder.dimension)
        nn.ModuleDict({"encoder": encoder, "head": head}).load_state_dict(tensors)
    except (SafetensorError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{weights} does not hold the network that {folder / CONFIG} describes: {reason}",
            "Copy it again, or train again.",
        ) from error
    metrics = read_metrics(folder / METRICS)
    return Run(folder.path, config, encoder.eval(), head.eval(), sha256_bytes(data), metrics)


def write_initial_run(config: TrainConfig, out: Path | str, *, force: bool = False) -> Path:
    """Write a run with the untrained network that training with `config` would start from.

    Parameters
    ----------
    config : TrainConfig
        Settings of the training. Those that are None get typical values, which do not change the
        network.
    out : Path or str
        Folder to write.
    force : bool
        Whether to overwrite an existing run.

    Returns
    -------
    Path
        The folder, which can be exported like any run.

    Raises
    ------
    UsageError
        If the folder exists and `force` is not set.
    """
    refuse_existing(Path(out), force=force)
    resolved = resolve(config, images_count=config.batch_size or 256)
    encoder = build_encoder(resolved)
    head = build_head(resolved, encoder.dimension)
    folder = OwnFolder.make(Path(out))
    write_config(folder, resolved)
    write_weights(folder, resolved, nn.ModuleDict({"encoder": encoder, "head": head}))
    (folder / METRICS).write("")
    return folder.path


def write_config(out: OwnFolder | Path, config: ResolvedConfig) -> None:
    """Write `config.json`, whole or not at all."""
    (OwnFolder.at(out) / CONFIG).write(config.to_json() + "\n")


def write_weights(out: OwnFolder | Path, config: ResolvedConfig, networks: nn.ModuleDict) -> None:
    """Write `weights.safetensors`, the tensors of `PARTS`, whole or not at all."""
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in networks.state_dict().items()
        if name.partition(".")[0] in PARTS
    }
    facts = {"format": "pt", NETWORK: Shape.of(config).to_json()}
    (OwnFolder.at(out) / WEIGHTS).write(to_bytes(tensors, facts))
