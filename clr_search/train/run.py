"""The run folder: what training writes and export reads.

::

    run/
      config.json            every setting, with all defaults chosen
      weights.safetensors    tensors "encoder.…" (f) and "head.…" (g), with the shape of the network
      metrics.jsonl          one row for each epoch
      curves.png             the metrics as a picture
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
from clr_search.files.write import atomic_path, refuse_existing, sha256_bytes, write_atomically
from clr_search.train.monitor.metrics import METRICS, best_epoch, read_metrics
from clr_search.train.network.initial import NETWORK, WEIGHTS, Shape
from clr_search.train.network.model import Encoder, build_encoder, build_head
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.tensors import write_tensors

CONFIG = "config.json"
PARTS = ("encoder", "head")
"""The networks in `weights.safetensors`. A method may train others, which are not kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was read from its folder.

    Attributes
    ----------
    path : Path
        The folder.
    config : ResolvedConfig
        The settings of the training.
    encoder, head : Encoder, nn.Sequential
        f and g with their weights, in evaluation mode, on the processor.
    weights_sha256 : str
        SHA-256 of `weights.safetensors`.
    metrics : list of dict
        The rows of `metrics.jsonl`, one for each finished epoch; empty for an untrained network.
    """

    path: Path
    config: ResolvedConfig
    encoder: Encoder
    head: nn.Sequential
    weights_sha256: str
    metrics: list[dict[str, Any]]

    @property
    def epochs(self) -> int:
        """Number of epochs that the weights were trained for."""
        best = best_epoch(self.metrics)
        return best or (int(self.metrics[-1]["epoch"]) if self.metrics else 0)


def load_config(path: Path | str) -> ResolvedConfig:
    """Read the settings of a run.

    Raises
    ------
    UsageError
        If `path` is no run, or its settings cannot be read.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        what = "is not a run: it has no config.json" if path.exists() else "does not exist"
        raise UsageError(f"{path} {what}.", "Make one with: clr-search train IMAGES --out RUN")
    return ResolvedConfig.from_file(path / CONFIG)


def load_run(path: Path | str) -> Run:
    """Read the settings, the weights and the metrics of a run.

    Raises
    ------
    UsageError
        If the folder is no run, the run has no weights yet, or its weights are damaged or belong
        to another network.
    """
    path = Path(path)
    config = load_config(path)
    weights = path / WEIGHTS
    if not weights.is_file():
        raise UsageError(
            f"{path} has no weights yet: its training was cut off.",
            "Finish it with: clr-search train IMAGES --out RUN --resume",
        )
    data = weights.read_bytes()
    encoder = build_encoder(config)
    head = build_head(config, encoder.dimension)
    try:
        nn.ModuleDict({"encoder": encoder, "head": head}).load_state_dict(load_tensors(data))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{weights} does not hold the network that {path / CONFIG} describes: {reason}",
            "Copy it again, or train again.",
        ) from error
    metrics = read_metrics(path / METRICS)
    return Run(path, config, encoder.eval(), head.eval(), sha256_bytes(data), metrics)


def write_initial_run(config: TrainConfig, out: Path | str, *, force: bool = False) -> Path:
    """Write a run whose network is untrained: the one that training with `config` starts from.

    Parameters
    ----------
    config : TrainConfig
        Settings. Those that are left open get typical values; they do not shape the network.
    out : Path
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
    out = Path(out)
    refuse_existing(out, force=force)
    resolved = resolve(config, images_count=config.batch_size or 256)
    encoder = build_encoder(resolved)
    head = build_head(resolved, encoder.dimension)
    write_config(out, resolved)
    write_weights(out, resolved, nn.ModuleDict({"encoder": encoder, "head": head}))
    write_atomically(out / METRICS, "")
    return out


def write_config(out: Path, config: ResolvedConfig) -> None:
    """Write `config.json`, whole or not at all."""
    write_atomically(out / CONFIG, config.to_json() + "\n")


def write_weights(out: Path, config: ResolvedConfig, networks: nn.ModuleDict) -> None:
    """Write `weights.safetensors`, the tensors of `PARTS`, whole or not at all."""
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in networks.state_dict().items()
        if name.partition(".")[0] in PARTS
    }
    facts = {"format": "pt", NETWORK: Shape.of(config).to_json()}
    with atomic_path(out / WEIGHTS) as temporary:
        write_tensors(temporary, tensors, facts)
