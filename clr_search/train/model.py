"""The networks, f and g of SimCLR, and the run folder that holds them.

::

    run/
      config.json            every setting, resolved
      weights.safetensors    tensors "encoder.…" (f) and "head.…" (g)
      metrics.jsonl          one row an epoch
      curves.png             the same as a picture
      checkpoints/           last.safetensors, see `checkpoint`
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from clr_search.errors import UsageError
from clr_search.files import atomic_path, refuse_existing, sha256_bytes, write_atomically
from clr_search.train.choices import resolve, stem_for
from clr_search.train.config import ResolvedConfig, Stem, TrainConfig
from clr_search.train.metrics import METRICS, read_metrics
from clr_search.train.rng import derived_seed

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"

# Means and standard deviations of ImageNet's channels: any fixed values would do, these are usual.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

_BLOCKS: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


class Encoder(nn.Module):
    """f: a ResNet whose output is h, the mean over the last feature map (§2.1).

    Parameters
    ----------
    architecture : str
        "resnet18", "resnet34" or "resnet50".
    width : float
        Multiple of the channels.
    stem : str
        "cifar", "middle" or "imagenet"; see `TrainConfig`.

    Attributes
    ----------
    dimension : int
        D, length of h.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, width: float, stem: Stem) -> None:
        super().__init__()
        block, depths = _BLOCKS[architecture]
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        channels = round(64 * width)
        self.stem = _stem(stem, channels)
        stages: list[nn.Module] = []
        incoming = channels
        for number, depth in enumerate(depths):
            planes = channels * 2**number
            stages.append(_stage(block, incoming, planes, depth, stride=1 if number == 0 else 2))
            incoming = planes * block.expansion
        self.stages = nn.Sequential(*stages)
        self.dimension = incoming
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images: float32 [N, 3, S, S] in [0, 1] → h, float32 [N, D]."""
        x = (images - self.mean) / self.std
        h: Tensor = self.stages(self.stem(x)).mean(dim=(2, 3))
        return h


def _stem(kind: Stem, channels: int) -> nn.Sequential:
    if kind == "imagenet":
        convolution = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        pool: list[nn.Module] = [nn.MaxPool2d(3, stride=2, padding=1)]
    else:
        stride = 1 if kind == "cifar" else 2
        convolution = nn.Conv2d(3, channels, 3, stride=stride, padding=1, bias=False)
        pool = []
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True), *pool)


def _stage(
    block: type[BasicBlock | Bottleneck], incoming: int, planes: int, depth: int, stride: int
) -> nn.Sequential:
    outgoing = planes * block.expansion
    shortcut = None
    if stride != 1 or incoming != outgoing:
        shortcut = nn.Sequential(
            nn.Conv2d(incoming, outgoing, 1, stride=stride, bias=False), nn.BatchNorm2d(outgoing)
        )
    blocks = [block(incoming, planes, stride, shortcut)]
    blocks += [block(outgoing, planes) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def _initialise(encoder: nn.Module) -> None:
    """He initialisation.

    The last γ of each residual block stays 1. The paper's code starts it at 0, which helps large
    learning rates over many epochs; in the few hundred steps of a minute's training it costs more
    than a third of R@1 (swatches, 15 epochs, batch 64: 28 % instead of 47 %).
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def build_encoder(config: TrainConfig) -> Encoder:
    """The network f as `config.seed` initialises it; in training mode, on the processor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "encoder"))
        return Encoder(config.architecture, config.width, stem_for(config))


def build_head(config: TrainConfig, dimension: int) -> nn.Sequential:
    """The projection head g, [N, dimension] → z [N, head_dim], as `config.seed` initialises it.

    As in the paper's code, every layer is followed by batch normalisation, the last without an
    offset. With head "none", z is h.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "head"))
        if config.head == "none":
            return nn.Sequential()
        last = nn.BatchNorm1d(config.head_dim)
        last.bias.requires_grad_(False)
        layers: list[nn.Module] = []
        if config.head == "nonlinear":
            layers += [
                nn.Linear(dimension, dimension, bias=False),
                nn.BatchNorm1d(dimension),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.Linear(dimension, config.head_dim, bias=False), last]
        return nn.Sequential(*layers)


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, read.

    Attributes
    ----------
    path : Path
        The folder.
    config : ResolvedConfig
        Its settings.
    encoder, head : Encoder, nn.Sequential
        f and g with their weights, in evaluation mode, on the processor.
    weights_sha256 : str
        SHA-256 of `weights.safetensors`.
    metrics : list of dict
        Rows of `metrics.jsonl`, one a finished epoch; none for an untrained network.
    """

    path: Path
    config: ResolvedConfig
    encoder: Encoder
    head: nn.Sequential
    weights_sha256: str
    metrics: list[dict[str, Any]]

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return int(self.metrics[-1]["epoch"]) if self.metrics else 0


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
    return ResolvedConfig.from_json((path / CONFIG).read_text("utf-8"), str(path / CONFIG))


def load_run(path: Path | str) -> Run:
    """Read a run: settings, weights and metrics.

    Raises
    ------
    UsageError
        If it is no run, has no weights yet, or its weights are damaged or of another network.
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
    """Write the untrained network that training with `config` starts from, as a run.

    Parameters
    ----------
    config : TrainConfig
        Settings; what was left open and does not shape the network gets a typical value.
    out : Path
        Folder to write.
    force : bool
        Write over what is there.

    Returns
    -------
    Path
        The folder; it can be exported like any run.
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
    """Write `weights.safetensors`, whole or not at all."""
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in networks.state_dict().items()
    }
    facts = {"format": "pt", "architecture": f"{config.architecture} width {config.width:g}"}
    with atomic_path(out / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata=facts)
