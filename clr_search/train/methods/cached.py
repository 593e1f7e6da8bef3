"""The gradient of a contrastive loss over a large batch, in the memory of a small one.

This is gradient caching (GradCache: Gao et al. 2021, arXiv 2101.06983), in three passes:

1. The projections of all parts of the batch are computed without a graph.
2. The loss over all projections gives its gradient with respect to each projection.
3. Each part is computed again, now with its graph, and carries its gradient back to the weights.

Activations take the memory of one part only, for about a third more arithmetic. The gradient equals
that of the whole batch, with one exception: batch normalisation sees one part at a time, and uses
the statistics of that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clr_search.train.losses.objective import Objective


def cached_backward(
    embed: Callable[[slice], Tensor],
    parts: Sequence[slice],
    loss: Callable[..., Objective],
    networks: nn.Module,
) -> Objective:
    """Add the gradients of a loss over all parts of a batch to the gradients of the parameters.

    Parameters
    ----------
    embed : callable
        Computes the projections of a part, z, floating point [V, n, d] for V views of n images. It
        is called twice where there are several parts, and must return the same values.
    parts : sequence of slice
        The parts of the batch.
    loss : callable
        Computes the loss from V tensors [N, d], the projections of the first, second, … views of
        all N images.
    networks : nn.Module
        The networks whose running statistics are to be updated once only.

    Returns
    -------
    Objective
        Loss and accuracy, detached from the graph.
    """
    if len(parts) == 1:
        objective = loss(*embed(parts[0]))
        objective.loss.backward()  # type: ignore[no-untyped-call]
        return Objective(objective.loss.detach(), objective.accuracy)
    with torch.no_grad(), statistics_kept(networks):
        z = torch.cat([embed(part) for part in parts], dim=1)
    z.requires_grad_()
    objective = loss(*z)
    objective.loss.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    for part in parts:
        embed(part).backward(z.grad[:, part])  # type: ignore[no-untyped-call]
    return Objective(objective.loss.detach(), objective.accuracy)


@contextmanager
def statistics_kept(networks: nn.Module) -> Iterator[None]:
    """Let batch normalisation use batch statistics, without updating its running statistics."""
    layers = [layer for layer in networks.modules() if isinstance(layer, _BatchNorm)]
    previous = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, tracked in zip(layers, previous, strict=True):
            layer.track_running_stats = tracked
