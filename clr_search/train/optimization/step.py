"""One step of gradient descent."""

from __future__ import annotations

import torch

from clr_search.train.data.batches import Batch
from clr_search.train.distributed import sum_gradients
from clr_search.train.losses.objective import Objective
from clr_search.train.methods import Method
from clr_search.train.optimization.optimizers import SHARE


def take_step(
    method: Method,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    generator: torch.Generator,
) -> Objective:
    """Compute the gradients of a batch in all processes, and update the weights.

    Parameters
    ----------
    method : Method
        Computes the gradients; its networks are updated.
    optimizer : torch.optim.Optimizer
        The optimizer of these networks.
    batch : Batch
        The images.
    rate : float
        Learning rate of this step, of which each group of `optimizer` takes its share.
    generator : torch.Generator
        Source of all random numbers, on the processor.

    Returns
    -------
    Objective
        Loss and accuracy, on the device: nothing here waits for the device.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group[SHARE]
    optimizer.zero_grad(set_to_none=True)
    objective = method.accumulate(batch, generator)
    sum_gradients(method.networks.parameters())
    optimizer.step()
    return objective
