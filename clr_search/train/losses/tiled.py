"""NT-Xent without the matrix of similarities: memory O(N·d + tile²) where the plain one has O(N²).

Forward, the log-sum-exp of each row is gathered tile by tile, rescaled whenever a greater maximum
turns up, as in FlashAttention (arXiv 2205.14135) and Inf-CL (arXiv 2410.17243). Backward, each tile
is computed again. With P the softmax of the rows and p(i) the partner of i,

    ∂L/∂z_i = 1/(2N·τ) · (Σ_j (P_ij + P_ji)·z_j − 2·z_p(i))

and both P_ij and P_ji follow from the one similarity s_ij, which is symmetric: so only the tiles on
and above the diagonal are computed again, and each serves its rows and its columns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def tiled_nt_xent(z: Tensor, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
    """NT-Xent and contrastive accuracy of 2N views; see `losses.nt_xent`.

    Parameters
    ----------
    z : Tensor
        Floating point [2N, d]: first all first views, then their partners in the same order.
    temperature : float
        τ > 0.
    tile : int
        Side of a tile, ≥ 1.

    Returns
    -------
    loss, accuracy : Tensor
        Scalars; the accuracy without gradient.
    """
    loss, accuracy = _TiledNTXent.apply(z, temperature, tile)
    return loss, accuracy


class _TiledNTXent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
        count = len(z)
        partner = torch.arange(count, device=z.device).roll(count // 2)
        sums = torch.empty(count, dtype=z.dtype, device=z.device)  # log-sum-exp of each row
        nearest = torch.empty_like(partner)
        for rows in _tiles(count, tile):
            sums[rows], nearest[rows] = _gather_row(z, rows, temperature, tile)
        positive = (z * z.roll(count // 2, 0)).sum(dim=1) / temperature
        ctx.save_for_backward(z, sums)
        ctx.temperature, ctx.tile = temperature, tile
        accuracy = (nearest == partner).float().mean()
        ctx.mark_non_differentiable(accuracy)
        return (sums - positive).mean(), accuracy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        z, sums = ctx.saved_tensors
        gradient = z.roll(len(z) // 2, 0).mul_(-2)
        tiles = _tiles(len(z), ctx.tile)
        for number, rows in enumerate(tiles):
            for columns in tiles[number:]:
                similarity = _similarity(z, rows, columns, ctx.temperature)
                shares = (similarity - sums[rows, None]).exp_()
                shares += similarity.sub_(sums[None, columns]).exp_()
                gradient[rows].addmm_(shares, z[columns])
                if columns != rows:
                    gradient[columns].addmm_(shares.T, z[rows])
        return gradient.mul_(upstream / (len(z) * ctx.temperature)), None, None


def _gather_row(z: Tensor, rows: slice, temperature: float, tile: int) -> tuple[Tensor, Tensor]:
    """Log-sum-exp and greatest similarity's place for some rows, over all columns."""
    here = z[rows]
    greatest = torch.full_like(here[:, 0], -torch.inf)
    total, nearest = torch.zeros_like(greatest), torch.zeros_like(greatest, dtype=torch.int64)
    for columns in _tiles(len(z), tile):
        similarity = _similarity(z, rows, columns, temperature)
        most, place = similarity.max(dim=1)
        nearest = torch.where(most > greatest, place + columns.start, nearest)
        higher = torch.maximum(greatest, most)
        # A row of which nothing but itself has been seen still has −inf; its sum is 0.
        finite = higher.masked_fill(higher == -torch.inf, 0)
        total = total * (greatest - finite).exp()
        total += similarity.sub_(finite[:, None]).exp_().sum(dim=1)
        greatest = higher
    return greatest + total.log(), nearest


def _similarity(z: Tensor, rows: slice, columns: slice, temperature: float) -> Tensor:
    """A tile of the similarities over τ, −inf where a view meets itself."""
    similarity = (z[rows] @ z[columns].T).div_(temperature)
    if rows == columns:
        similarity.fill_diagonal_(-torch.inf)
    return similarity


def _tiles(count: int, tile: int) -> list[slice]:
    return [slice(start, min(start + tile, count)) for start in range(0, count, tile)]
