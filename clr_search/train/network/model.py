"""The networks of SimCLR: the encoder f, a ResNet, and the projection head g."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from clr_search.train.rng import derived_seed
from clr_search.train.settings.choices import head_for, stem_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Norm, Stem

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
    norm : str
        "batch" or "group".

    Attributes
    ----------
    dimension : int
        D, length of h.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, width: float, stem: Stem, norm: Norm = "batch") -> None:
        super().__init__()
        block, depths = _BLOCKS[architecture]
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        channels = round(64 * width)
        self.stem = _stem(stem, channels, norm)
        stages: list[nn.Module] = []
        incoming = channels
        for number, depth in enumerate(depths):
            planes = channels * 2**number
            stages.append(_stage(block, incoming, planes, depth, 1 if number == 0 else 2, norm))
            incoming = planes * block.expansion
        self.stages = nn.Sequential(*stages)
        self.dimension = incoming
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images: float32 [N, 3, S, S] in [0, 1] → h, float32 [N, D]."""
        return self.maps(images)[-1].mean(dim=(2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """The map behind each stage, float32 [N, C, S', S'], the last one's C being D."""
        x = self.stem((images - self.mean) / self.std)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def _norm(kind: Norm, channels: int) -> nn.Module:
    """Batch normalisation; or group normalisation in groups of 16 (arXiv 1803.08494, Table 3)."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // 16), channels)


def _stem(kind: Stem, channels: int, norm: Norm) -> nn.Sequential:
    if kind == "imagenet":
        convolution = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        pool: list[nn.Module] = [nn.MaxPool2d(3, stride=2, padding=1)]
    else:
        stride = 1 if kind == "cifar" else 2
        convolution = nn.Conv2d(3, channels, 3, stride=stride, padding=1, bias=False)
        pool = []
    return nn.Sequential(convolution, _norm(norm, channels), nn.ReLU(inplace=True), *pool)


def _stage(
    block: type[BasicBlock | Bottleneck],
    incoming: int,
    planes: int,
    depth: int,
    stride: int,
    norm: Norm,
) -> nn.Sequential:
    outgoing = planes * block.expansion
    layer = partial(_norm, norm)
    shortcut = None
    if stride != 1 or incoming != outgoing:
        shortcut = nn.Sequential(
            nn.Conv2d(incoming, outgoing, 1, stride=stride, bias=False), layer(outgoing)
        )
    blocks = [block(incoming, planes, stride, shortcut, norm_layer=layer)]
    blocks += [block(outgoing, planes, norm_layer=layer) for _ in range(depth - 1)]
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
        return Encoder(config.architecture, config.width, stem_for(config), config.norm)


def build_head(config: TrainConfig, dimension: int) -> nn.Sequential:
    """The projection head g, [N, dimension] → z [N, head_dim], as `config.seed` initialises it.

    As in the paper's code, every layer is followed by batch normalisation, the last without an
    offset. With group normalisation, where no picture may see its batch, the hidden layer has
    layer normalisation, and the last one none. With head "none", z is h.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "head"))
        head = head_for(config)
        if head == "none":
            return nn.Sequential()
        batch = config.norm == "batch"
        layers: list[nn.Module] = []
        last_but_one = dimension
        if head == "nonlinear":
            last_but_one = config.head_hidden or dimension
            hidden = nn.BatchNorm1d(last_but_one) if batch else nn.LayerNorm(last_but_one)
            first = nn.Linear(dimension, last_but_one, bias=False)
            layers += [first, hidden, nn.ReLU(inplace=True)]
        layers.append(nn.Linear(last_but_one, config.head_dim, bias=False))
        if batch:
            last = nn.BatchNorm1d(config.head_dim)
            last.bias.requires_grad_(False)
            layers.append(last)
        return nn.Sequential(*layers)
