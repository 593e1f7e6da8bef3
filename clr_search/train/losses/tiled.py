"""NT-Xent without the matrix of similarities: memory O(N·d + tile²) where the plain one has O(N²).

In the forward pass, the log-sum-exp of each row is accumulated tile by tile, and rescaled whenever
a greater maximum turns up, as in FlashAttention (arXiv 2205.14135) and Inf-CL (arXiv 2410.17243).
In the backward pass, each tile is computed again. With P the softmax of the rows and p(i) the
partner of i,

    ∂L/∂z_i = 1/(2N·τ) · (Σ_j (P_ij + P_ji)·z_j − 2·z_p(i))

Both P_ij and P_ji follow from the one similarity s_ij, which is symmetric. So only the tiles on and
above the diagonal are computed again, and each serves its rows and its columns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def tiled_nt_xent(z: Tensor, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
    """NT-Xent and contrastive accuracy of 2N views; the same values as `nt_xent`, to rounding.

    Parameters
    ----------
    z : Tensor
        Floating point [2N, d]: all first views, then their partners in the same order. Rows of
        unit length give cosines, others dot products.
    temperature : float
        τ > 0.
    tile : int
        Side of a tile, ≥ 1.

    Returns
    -------
    loss, accuracy : Tensor
        Scalars; the accuracy has no gradient.
    """
    loss, accuracy = _TiledNTXent.apply(z, temperature, tile)
    return loss, accuracy


class _TiledNTXent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
        count = len(z)
        partner = torch.arange(count, device=z.device).roll(count // 2)  # [2N]
        log_sums = torch.empty(count, dtype=z.dtype, device=z.device)  # log-sum-exp of each row
        nearest = torch.empty_like(partner)
        for rows in _tiles(count, tile):
            log_sums[rows], nearest[rows] = _reduce_rows(z, rows, temperature, tile)
        positives = (z * z.roll(count // 2, 0)).sum(dim=1) / temperature  # [2N]
        ctx.save_for_backward(z, log_sums)
        ctx.temperature, ctx.tile = temperature, tile
        accuracy = (nearest == partner).float().mean()
        ctx.mark_non_differentiable(accuracy)
        return (log_sums - positives).mean(), accuracy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        z, log_sums = ctx.saved_tensors
        gradient = z.roll(len(z) // 2, 0).mul_(-2)  # −2·z_p(i), [2N, d]
        tiles = _tiles(len(z), ctx.tile)
        for number, rows in enumerate(tiles):
            for columns in tiles[number:]:
                logits = _logits(z, rows, columns, ctx.temperature)
                weights = (logits - log_sums[rows, None]).exp_()  # P_ij
                weights += logits.sub_(log_sums[None, columns]).exp_()  # + P_ji
                gradient[rows].addmm_(weights, z[columns])
                if columns != rows:
                    gradient[columns].addmm_(weights.T, z[rows])
        return gradient.mul_(upstream / (len(z) * ctx.temperature)), None, None


def _reduce_rows(z: Tensor, rows: slice, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
    """Compute log-sum-exp and the column of the greatest logit of some rows over all columns."""
    anchors = z[rows]
    maximum = torch.full_like(anchors[:, 0], -torch.inf)
    total, nearest = torch.zeros_like(maximum), torch.zeros_like(maximum, dtype=torch.int64)
    for columns in _tiles(len(z), tile):
        logits = _logits(z, rows, columns, temperature)
        tile_maximum, column = logits.max(dim=1)
        nearest = torch.where(tile_maximum > maximum, column + columns.start, nearest)
        new_maximum = torch.maximum(maximum, tile_maximum)
        # A row that has met nothing but itself so far has a maximum of −inf, and its sum is 0.
        finite = new_maximum.masked_fill(new_maximum == -torch.inf, 0)
        total = total * (maximum - finite).exp()
        total += logits.sub_(finite[:, None]).exp_().sum(dim=1)
        maximum = new_maximum
    return maximum + total.log(), nearest


def _logits(z: Tensor, rows: slice, columns: slice, temperature: float) -> Tensor:
    """One tile of the similarities divided by τ, −inf where a view meets itself."""
    logits = (z[rows] @ z[columns].T).div_(temperature)
    if rows == columns:
        logits.fill_diagonal_(-torch.inf)
    return logits


def _tiles(count: int, tile: int) -> list[slice]:
    return [slice(start, min(start + tile, count)) for start in range(0, count, tile)]
