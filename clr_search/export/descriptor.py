"""A descriptor joins features of three stages of the encoder, whitened on unlabelled pictures.

Searches find more with it than with h alone. h is trained to tell apart what the loss tells apart,
and says little of texture and of small parts, which earlier stages know. So three features are
joined: h, the standard deviation over the map of the stage before the last, and the mean over the
map of the stage before that. The joined features are then whitened by PCA (Jégou and Chum, ECCV
2012): they are projected on their principal axes, and axes of large variance, which nearly all
pictures share, are damped. Whitening goes half the way here: each axis is divided by the fourth
root of its variance instead of the square root, as the last axes of few pictures are noise. The
axes are measured on pictures; labels are not needed. The result has as many numbers as h, and costs
nothing measurable beside the network.

`bench/default_encoder/LOG.md` has the gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.errors import ImageError, UsageError
from clr_search.files.finding.image_file import ImageFile
from clr_search.images import decode_square, read
from clr_search.progress import Reporter
from clr_search.train.network.backbone import Backbone
from clr_search.train.network.model import Encoder

POWER = 0.5
"""Degree of the whitening: at 0 the axes keep their variances, at 1 all variances become 1."""

MOST_PICTURES = 10_000
"""Largest number of pictures that are measured; of more, a sample evenly spread over the list."""

_VARIANCE_FLOOR = 1e-6
"""Least variance of an axis, relative to the largest, so that rounding errors on an axis without
variance are not amplified."""

_VARIANCE_ADDED = 1e-6
"""Constant added to the variance over a map, as the root has no finite slope at 0."""

_BATCH = 64
"""Number of pictures that pass through the network at once."""


def stage_features(encoder: Backbone, pixels: Tensor) -> Tensor:
    """Compute the features of the last three stages: h, a standard deviation and a mean over maps.

    Parameters
    ----------
    encoder : Encoder
        The encoder f, of which the last three stages of ours have D/4, D/2 and D channels.
    pixels : Tensor
        float32 [N, 3, S, S] in [0, 1].

    Returns
    -------
    Tensor
        float32 [N, 7·D/4]: h, the deviation of the stage before the last, and the mean of the
        stage before that, each scaled to unit norm, so that none outweighs the others. Of a network
        that is not ours, float32 [N, D]: h alone.

    Examples
    --------
    >>> encoder = Encoder("resnet18", width=0.25, stem="cifar")  # D is 128
    >>> stage_features(encoder, torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 224])
    """
    if not isinstance(encoder, Encoder):
        return F.normalize(encoder(pixels), dim=1)
    *_, earlier, before, last = encoder.maps(pixels)
    centred = before - before.mean(dim=(2, 3), keepdim=True)
    parts = (
        last.mean(dim=(2, 3)),
        (centred.square().mean(dim=(2, 3)) + _VARIANCE_ADDED).sqrt(),
        earlier.mean(dim=(2, 3)),
    )
    return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1)


class Descriptor(nn.Module):
    """An encoder whose output is that of `stage_features`, projected on damped principal axes.

    Parameters
    ----------
    encoder : Encoder
        The encoder f.
    mean : Tensor
        float32 [F], mean of the features.
    axes : Tensor
        float32 [F, D], the axes to project on as columns, scaled.
    """

    def __init__(self, encoder: Backbone, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        # Tensors of exported files are named after this attribute, so its name stays.
        self.turn = nn.Linear(*axes.shape)
        with torch.no_grad():
            self.turn.weight.copy_(axes.T)
            self.turn.bias.copy_(-(mean @ axes))

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed pixels, float32 [N, 3, S, S] in [0, 1], as float32 [N, D]."""
        return cast(Tensor, self.turn(stage_features(self.encoder, pixels)))


@dataclass(frozen=True, slots=True)
class Whitening:
    """A descriptor, and the numbers of pictures that it was made from.

    Attributes
    ----------
    descriptor : Descriptor
        The descriptor, in evaluation mode.
    pictures : int
        Number of pictures that were measured.
    skipped : int
        Number of files that could not be read.
    """

    descriptor: Descriptor
    pictures: int
    skipped: int


def whiten(
    encoder: Backbone, files: Sequence[ImageFile], size: int, reporter: Reporter
) -> Whitening:
    """Measure the features of pictures, and make the descriptor that whitens them.

    Parameters
    ----------
    encoder : Encoder
        The encoder f, in evaluation mode, on the processor.
    files : sequence of ImageFile
        Files of pictures; their labels are not used. Of more than `MOST_PICTURES`, a sample is
        read.
    size : int
        S, the side in pixels of the square that the encoder sees.
    reporter : Reporter
        Receives the progress.

    Returns
    -------
    Whitening
        The descriptor, with the numbers of pictures.

    Raises
    ------
    UsageError
        If no more than D pictures can be read, which would not determine D axes.
    """
    sample = files[:: -(-len(files) // MOST_PICTURES)] if files else []
    batches, skipped = [], 0
    with reporter.task("Whitening", len(sample), "images"):
        for start in range(0, len(sample), _BATCH):
            squares = []
            for file in sample[start : start + _BATCH]:
                try:
                    squares.append(decode_square(read(file.path)[0], size).pixels)
                except ImageError:
                    skipped += 1
            if squares:
                pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
                with torch.inference_mode():
                    batches.append(stage_features(encoder, pixels).double())
            reporter.advance(len(sample[start : start + _BATCH]))
    count = sum(map(len, batches))
    if count <= encoder.dimension:
        raise UsageError(
            f"Whitening {encoder.dimension} numbers needs more pictures than {encoder.dimension}, "
            f"and {count} can be read.",
            "Give a folder with more pictures, or leave --whiten out.",
        )
    mean, axes = principal_axes(torch.cat(batches), encoder.dimension)
    return Whitening(Descriptor(encoder, mean.float(), axes.float()).eval(), count, skipped)


def principal_axes(features: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Compute the first principal axes of features, each damped according to its variance.

    The sign of an axis is such that its largest entry is positive, so that the same features give
    the same axes on any machine.

    Parameters
    ----------
    features : Tensor
        float64 [N, F], N > D.
    dimension : int
        D, the number of axes.

    Returns
    -------
    mean : Tensor
        float64 [F], mean of the features.
    axes : Tensor
        float64 [F, D], the axes of largest variance as columns, divided by variance^(POWER / 2).

    Examples
    --------
    >>> features = torch.tensor([[-16, -1], [-16, 1], [16, -1], [16, 1]], dtype=torch.float64)
    >>> mean, axes = principal_axes(features, 1)
    >>> mean.tolist(), (features @ axes).var(dim=0).sqrt().round(decimals=2)
    ([0.0, 0.0], tensor([4.3000], dtype=torch.float64))
    """
    mean = features.mean(dim=0)
    variances, axes = torch.linalg.eigh(torch.cov(features.T))
    variances, axes = variances.flip(0)[:dimension], axes.flip(1)[:, :dimension]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    scale = variances.clamp(min=_VARIANCE_FLOOR * float(variances[0])) ** (-POWER / 2)
    return mean, axes * largest.sign() * scale
