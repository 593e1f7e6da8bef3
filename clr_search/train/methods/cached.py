"""The gradient of a contrastive loss over a large batch, in the memory of a small one.

As GradCache has it (Gao et al. 2021, arXiv 2101.06983): the projections of all parts are computed
without a graph; the loss over all of them gives its gradient by each projection; then each part is
computed again, now with its graph, and carries its share of the gradient back. The memory of
activations is that of one part, for about a third more arithmetic.

The gradient is that of the whole batch, exactly, but for batch normalisation, which sees one part
at a time: it is then that of a training whose statistics are by part.
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
    """Add the gradients of a loss over some views of all parts to those of the parameters.

    Parameters
    ----------
    embed : callable
        Gives z, floating point [V, n, d], of a part; called twice where there are several parts, it
        must give the same again.
    parts : sequence of slice
        What the batch is cut into.
    loss : callable
        Takes the first, the second, … views, [N, d] each, of all parts together.
    networks : nn.Module
        Holds the normalisations whose running statistics are to be updated once only.

    Returns
    -------
    Objective
        Cut off from the graph.
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
    """Let batch normalisation work as in training, but leave its running statistics alone."""
    layers = [layer for layer in networks.modules() if isinstance(layer, _BatchNorm)]
    before = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, tracked in zip(layers, before, strict=True):
            layer.track_running_stats = tracked
