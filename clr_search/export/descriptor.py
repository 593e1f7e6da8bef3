"""What finds better than h alone: features of three stages, decorrelated on unlabelled pictures.

h is trained to tell apart what the loss tells apart, and says little of texture and of small parts,
which the stages before the last one know. So h is joined with the deviation over the map of the
stage before it, and with the mean over the map of the stage before that; and the whole is turned to
its principal axes, of which those that all pictures share are damped. That is PCA whitening (Jégou
and Chum, ECCV 2012), here by half: each axis is divided by the fourth root of its variance, as the
last axes of few pictures are noise. Pictures are needed to know the axes, labels are not. The
result has as many numbers as h, and costs nothing measurable beside the network.

What it brings is in `bench/default_encoder/LOG.md`.
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
from clr_search.files.find import ImageFile
from clr_search.images import decode_square, read
from clr_search.progress import Reporter
from clr_search.train.network.model import Encoder

POWER = 0.5
"""How much of the differences of variance is taken away: 0 nothing, 1 all."""

MOST_PICTURES = 10_000
"""Of larger collections a sample is measured, evenly spread over the listing."""

_VARIANCE_FLOOR = 1e-6  # relative to the largest: axes without variance must not become loud
_DEVIATION_FLOOR = 1e-6  # the root has no finite slope at 0
_BATCH = 64


def stage_features(encoder: Encoder, pixels: Tensor) -> Tensor:
    """h, the deviation of the stage before, the mean of the stage before that; each of unit norm.

    Parameters
    ----------
    encoder : Encoder
        With stages of C/4, C/2 and C channels at its end.
    pixels : Tensor
        float32 [N, 3, S, S] in [0, 1].

    Returns
    -------
    Tensor
        float32 [N, 7·D/4].
    """
    *_, earlier, before, last = encoder.maps(pixels)
    centred = before - before.mean(dim=(2, 3), keepdim=True)
    parts = (
        last.mean(dim=(2, 3)),
        (centred.square().mean(dim=(2, 3)) + _DEVIATION_FLOOR).sqrt(),
        earlier.mean(dim=(2, 3)),
    )
    return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1)


class Descriptor(nn.Module):
    """An encoder whose output is that of `stage_features`, turned and damped.

    Parameters
    ----------
    encoder : Encoder
        f.
    mean : Tensor
        float32 [F], of the features.
    axes : Tensor
        float32 [F, D], the columns to project on.
    """

    def __init__(self, encoder: Encoder, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.turn = nn.Linear(*axes.shape)
        with torch.no_grad():
            self.turn.weight.copy_(axes.T)
            self.turn.bias.copy_(-(mean @ axes))

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed: float32 [N, 3, S, S] in [0, 1] → float32 [N, D]."""
        return cast(Tensor, self.turn(stage_features(self.encoder, pixels)))


@dataclass(frozen=True, slots=True)
class Whitening:
    """A descriptor, and what it was made of.

    Attributes
    ----------
    descriptor : Descriptor
        In evaluation mode.
    pictures : int
        How many were measured.
    skipped : int
        How many could not be read.
    """

    descriptor: Descriptor
    pictures: int
    skipped: int


def whiten(
    encoder: Encoder, files: Sequence[ImageFile], size: int, reporter: Reporter
) -> Whitening:
    """Measure the features of pictures, and make the descriptor that is even on them.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode, on the processor.
    files : sequence of ImageFile
        Pictures, their labels unused.
    size : int
        S in pixels.
    reporter : Reporter
        Is told the progress.

    Raises
    ------
    UsageError
        If no more pictures than D can be read: they would leave axes open.
    """
    chosen = files[:: -(-len(files) // MOST_PICTURES)] if files else []
    batches, skipped = [], 0
    with reporter.task("Whitening", len(chosen), "images"):
        for start in range(0, len(chosen), _BATCH):
            squares = []
            for file in chosen[start : start + _BATCH]:
                try:
                    squares.append(decode_square(read(file.path)[0], size).pixels)
                except ImageError:
                    skipped += 1
            if squares:
                pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
                with torch.inference_mode():
                    batches.append(stage_features(encoder, pixels).double())
            reporter.advance(len(chosen[start : start + _BATCH]))
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
    """Mean, float64 [F], and the first axes divided by variance^(POWER / 2), float64 [F, D].

    The sign of an axis is such that its largest entry is positive, so that the same features give
    the same axes on any machine.

    Parameters
    ----------
    features : Tensor
        float64 [N, F], N > D.
    dimension : int
        D.
    """
    mean = features.mean(dim=0)
    variances, axes = torch.linalg.eigh(torch.cov(features.T))
    variances, axes = variances.flip(0)[:dimension], axes.flip(1)[:, :dimension]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    scale = variances.clamp(min=_VARIANCE_FLOOR * float(variances[0])) ** (-POWER / 2)
    return mean, axes * largest.sign() * scale
