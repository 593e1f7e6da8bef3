"""What every encoder f is, ours or another's; methods, losses and the export ask for no more."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Backbone(nn.Module):
    """A network from float32 [N, 3, S, S] in [0, 1] to h, float32 [N, D].

    It normalises pixels itself. In evaluation mode, h of a picture depends on that picture alone.

    Attributes
    ----------
    dimension : int
        D, length of h.
    fixed_statistics : bool
        Whether batch normalisation keeps its running mean and variance in training, and takes them
        instead of those of the batch.
    """

    dimension: int
    fixed_statistics = False

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or with False evaluation mode."""
        super().train(mode)
        if self.fixed_statistics:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Compute h, float32 [N, D], of images, float32 [N, 3, S, S] in [0, 1]."""
        raise NotImplementedError
