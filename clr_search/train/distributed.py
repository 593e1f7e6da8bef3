"""Many processes that train as one, started by ``torchrun``.

Each process takes its share of every batch, cut from the same order of pictures and the same dice;
the loss is over the whole batch, all its pictures being each other's negatives, and gradients are
*summed* over the processes. So the processes together compute what one would compute alone, but for
batch normalisation: on a processor its statistics are of each process' share, on CUDA they are
synchronised. Nothing that is saved knows how many processes there were.

Without ``torchrun``, every function here does what is right for one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from clr_search.errors import UsageError

_TIMEOUT = timedelta(days=7)
"""How long the processes wait for the first, which decodes and measures alone. torch's own 10 or 30
minutes are too short for a large collection; when a process dies, ``torchrun`` ends the others."""


class World(NamedTuple):
    """A process among all: its number, and how many there are."""

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0


def world() -> World:
    """Number of this process among those of the group it has joined; alone without one."""
    if distributed.is_available() and distributed.is_initialized():
        return World(distributed.get_rank(), distributed.get_world_size())
    return World(0, 1)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that ``torchrun`` has started, if it has; leave them in the end.

    Parameters
    ----------
    device : str
        What is trained on: CUDA processes talk by NCCL, others by gloo.

    Raises
    ------
    UsageError
        If there are more processes than GPUs, or all are to take the same one.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield world()
        return
    cuda = torch.device(device).type == "cuda"
    if cuda:
        _take_own_gpu(device)
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=_TIMEOUT)
    try:
        yield world()
    finally:
        distributed.destroy_process_group()


def _take_own_gpu(device: str) -> None:
    """Make the GPU with this process' number the current one of this thread."""
    processes, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if device != "cuda":
        raise UsageError(
            f"{processes} processes cannot share {device}: each takes a GPU of its own.",
            "Give --device cuda, or leave it out.",
        )
    if processes > gpus:
        raise UsageError(
            f"{processes} processes need {processes} GPUs, and there are {gpus}.",
            f"Start torchrun with --nproc-per-node {gpus}, or train on --device cpu.",
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def share_of(batch_size: int) -> slice:
    """The part of each batch that is this process'.

    Raises
    ------
    UsageError
        If the batch cannot be cut into equal parts.
    """
    rank, size = world()
    if batch_size % size:
        raise UsageError(
            f"A batch of {batch_size:,} cannot be shared equally by {size} processes.",
            f"Choose a --batch-size that is a multiple of {size}.",
        )
    part = batch_size // size
    return slice(rank * part, (rank + 1) * part)


def gather(tensor: Tensor) -> Tensor:
    """Tensors [n, …] of all processes, joined [n·size, …] in the order of their ranks.

    The gradient of a process is its own part of the gradient of the whole, unscaled: all processes
    compute the same loss, and parameters sum what they get.
    """
    if world().size == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.count = len(tensor)
        parts = [torch.empty_like(tensor) for _ in range(world().size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        start = world().rank * ctx.count
        return gradients[0][start : start + ctx.count]


def total(tensor: Tensor) -> Tensor:
    """Sum of a tensor over all processes, without gradient."""
    if world().size > 1:
        tensor = tensor.detach().clone()
        distributed.all_reduce(tensor)
    return tensor


def sum_gradients(parameters: Iterable[Parameter]) -> None:
    """Replace the gradients by their sums over all processes; one message for all of them."""
    if world().size == 1:
        return
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def any_of_all(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in any process."""
    return bool(total(torch.tensor(float(flag), device=device)) > 0)


def wait_for_all() -> None:
    """Return when every process has come here."""
    if world().size > 1:
        distributed.barrier()
