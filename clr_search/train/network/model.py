"""The networks of SimCLR: the encoder f, a ResNet, and the projection head g."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from clr_search.train.network.backbone import Backbone
from clr_search.train.network.zoo import TimmEncoder
from clr_search.train.rng import derived_seed
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.model import head_for, stem_for
from clr_search.train.settings.names import Norm, Stem
from clr_search.train.settings.zoo import of_timm

# Means and standard deviations of ImageNet's channels, which are customary; any values would do.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

_CHANNELS_OF_ONEDNN = 8  # that are read at a time with AVX2

_BLOCKS: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


def layout_for(encoder: nn.Module, channels_last: bool) -> torch.memory_format:
    """Return the order in which a network's tensors lie in memory.

    Channels come last where the settings say so, but not where a 1×1 convolution with a stride has
    fewer than 8 channels to read: on processors without AVX-512, oneDNN computes wrong gradients of
    its weights then, and writes past the end of its memory
    (https://github.com/uxlfoundation/oneDNN/issues/6035).

    Parameters
    ----------
    encoder : nn.Module
        The network.
    channels_last : bool
        `TrainConfig.channels_last`.

    Examples
    --------
    >>> layout_for(nn.Conv2d(8, 16, 1, stride=2), channels_last=True)
    torch.channels_last
    >>> layout_for(nn.Conv2d(4, 8, 1, stride=2), channels_last=True)
    torch.contiguous_format
    """
    corrupted = any(
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < _CHANNELS_OF_ONEDNN
        for module in encoder.modules()
    )
    return torch.channels_last if channels_last and not corrupted else torch.contiguous_format


class Encoder(Backbone):
    """The encoder f: a ResNet whose output h is the mean of the last feature map (§2.1).

    Parameters
    ----------
    architecture : str
        "resnet18", "resnet34" or "resnet50".
    width : float
        Multiplier of the channels.
    stem : str
        "cifar", "middle" or "imagenet"; see `TrainConfig`.
    norm : str
        "batch" or "group".

    Attributes
    ----------
    dimension : int
        D, length of h.

    Examples
    --------
    >>> encoder = Encoder("resnet18", width=0.25, stem="cifar")
    >>> encoder(torch.zeros(2, 3, 32, 32)).shape, encoder.dimension
    (torch.Size([2, 128]), 128)
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
        """Compute h, float32 [N, D], of images, float32 [N, 3, S, S] in [0, 1]."""
        return self.maps(images)[-1].mean(dim=(2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Compute the feature map after each stage, float32 [N, C, S', S']; the last C is D."""
        x = self.stem((images - self.mean) / self.std)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _norm(kind: Norm, channels: int) -> nn.Module:
    """A normalisation layer; "group" has 16 channels in a group (arXiv 1803.08494, Table 3)."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // 16), channels)


def _stem(kind: Stem, channels: int, norm: Norm) -> nn.Sequential:
    """The layers before the first stage."""
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
    """A stage of `depth` residual blocks, the first of which has the stride."""
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
    """Initialise convolutions as in He et al. (arXiv 1502.01852).

    The last γ of each residual block stays 1. The paper's code starts it at 0, which helps large
    learning rates over many epochs; in the few hundred steps of a minute's training it costs more
    than a third of R@1 (swatches, 15 epochs, batch 64: 28 % instead of 47 %).
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def build_encoder(config: TrainConfig) -> Backbone:
    """Build the encoder f, initialised from `config.seed`, in training mode, on the processor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "encoder"))
        encoder: Backbone
        if of_timm(config.architecture):
            encoder = TimmEncoder(config.architecture, config.image_size, config.drop_path or 0.0)
        else:
            encoder = Encoder(config.architecture, config.width, stem_for(config), config.norm)
    encoder.fixed_statistics = config.statistics == "fixed"
    return encoder.train()


def build_head(config: TrainConfig, dimension: int) -> nn.Sequential:
    """Build the projection head g, initialised from `config.seed`, on the processor.

    As in the paper's code, every layer is followed by batch normalisation, the last one without an
    offset. With `norm` "group", under which no image may depend on its batch, the hidden layer has
    layer normalisation, and the last layer none. With `head` "none", z is h.

    Parameters
    ----------
    config : TrainConfig
        Settings.
    dimension : int
        Length of h.

    Returns
    -------
    nn.Sequential
        A module from h, [N, dimension], to z, [N, head_dim].
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "head"))
        head = head_for(config)
        if head == "none":
            return nn.Sequential()
        batch = config.norm == "batch"
        layers: list[nn.Module] = []
        hidden_dim = dimension
        if head == "nonlinear":
            hidden_dim = config.head_hidden or dimension
            norm = nn.BatchNorm1d(hidden_dim) if batch else nn.LayerNorm(hidden_dim)
            first = nn.Linear(dimension, hidden_dim, bias=False)
            layers += [first, norm, nn.ReLU(inplace=True)]
        layers.append(nn.Linear(hidden_dim, config.head_dim, bias=False))
        if batch:
            last = nn.BatchNorm1d(config.head_dim)
            last.bias.requires_grad_(False)
            layers.append(last)
        return nn.Sequential(*layers)
