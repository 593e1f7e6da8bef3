"""What every encoder f is, ours or another's; methods, losses and the export ask for no more."""

from __future__ import annotations

from torch import Tensor, nn


class Backbone(nn.Module):
    """A network from float32 [N, 3, S, S] in [0, 1] to h, float32 [N, D].

    It normalises pixels itself. In evaluation mode, h of a picture depends on that picture alone.

    Attributes
    ----------
    dimension : int
        D, length of h.
    """

    dimension: int

    def forward(self, images: Tensor) -> Tensor:
        """Compute h, float32 [N, D], of images, float32 [N, 3, S, S] in [0, 1]."""
        raise NotImplementedError
