"""Training in several processes, started by ``torchrun``, with the result of one process.

All processes draw the same order of images and the same random parameters, and each takes its share
of every batch. The loss is over the whole batch, so that all its images are negatives of each
other, and gradients are *summed* over the processes. Together the processes thus compute what one
would compute alone, except for batch normalisation: on CUDA its statistics are synchronised, on a
processor they are those of each process' share. Nothing that is saved depends on the number of
processes.

Without ``torchrun``, there is one process, and the functions here have nothing to exchange.
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
"""Longest time that processes wait for the first one, which decodes and measures alone. The default
of torch, 10 or 30 minutes, is too short for a large collection. If a process dies, ``torchrun``
ends the others."""


class World(NamedTuple):
    """The number of this process among all.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    size : int
        Number of processes.
    """

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is process 0, which writes files and reports progress."""
        return self.rank == 0


def world() -> World:
    """Return the rank of this process and the size of its group; 0 and 1 without a group.

    Examples
    --------
    >>> world()
    World(rank=0, size=1)
    """
    if distributed.is_available() and distributed.is_initialized():
        return World(distributed.get_rank(), distributed.get_world_size())
    return World(0, 1)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the group of processes that ``torchrun`` has started, if any, within this context.

    Parameters
    ----------
    device : str
        The device to train on. Processes communicate by NCCL on CUDA, by gloo elsewhere.

    Raises
    ------
    UsageError
        If there are more processes than GPUs, or the device is one GPU that all would share.
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
    """Make the GPU with this process' local rank the current one of this thread."""
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
    """Return the part of every batch that belongs to this process.

    Parameters
    ----------
    batch_size : int
        Number of images in a batch of all processes.

    Returns
    -------
    slice
        Positions of the images of this process in the batch.

    Raises
    ------
    UsageError
        If the batch cannot be divided into equal parts.

    Examples
    --------
    >>> share_of(256)  # in one process
    slice(0, 256, None)
    """
    rank, size = world()
    if batch_size % size:
        raise UsageError(
            f"A batch of {batch_size:,} cannot be shared equally by {size} processes.",
            f"Choose a --batch-size that is a multiple of {size}.",
        )
    share = batch_size // size
    return slice(rank * share, (rank + 1) * share)


def gather(tensor: Tensor) -> Tensor:
    """Concatenate the tensors of all processes in the order of their ranks, with gradient.

    The gradient of a process is its own part of the gradient of the result, unscaled: all processes
    compute the same loss, and `sum_gradients` adds their parts.

    Parameters
    ----------
    tensor : Tensor
        [n, …], of the same shape in all processes.

    Returns
    -------
    Tensor
        [n·size, …]; without a group, the given tensor.

    Examples
    --------
    >>> gather(torch.zeros(4, 128)).shape  # in one process
    torch.Size([4, 128])
    """
    if world().size == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


class _Gather(torch.autograd.Function):
    """Concatenation over processes, whose gradient is the part of this process."""

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
    """Return the sum of a tensor over all processes, without gradient."""
    if world().size > 1:
        tensor = tensor.detach().clone()
        distributed.all_reduce(tensor)
    return tensor


def sum_gradients(parameters: Iterable[Parameter]) -> None:
    """Replace gradients by their sums over all processes, in one message for all parameters."""
    if world().size == 1:
        return
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def any_of_all(flag: bool, device: torch.device) -> bool:
    """Return whether `flag` is True in at least one process; all processes must call it."""
    return bool(total(torch.tensor(float(flag), device=device)) > 0)


def wait_for_all() -> None:
    """Wait until every process has called this function."""
    if world().size > 1:
        distributed.barrier()
