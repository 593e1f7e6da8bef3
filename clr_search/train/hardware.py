"""The device and the number format of a training are chosen and set up here."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from clr_search.errors import UsageError
from clr_search.train.settings.names import Precision


def choose_device(requested: str) -> str:
    """Return the name of the device to train on, after a check that it can be used.

    Parameters
    ----------
    requested : str
        A device name of torch, or "auto" for CUDA if there is a GPU, and the processor otherwise.

    Returns
    -------
    str
        A device name of torch.

    Raises
    ------
    UsageError
        If torch does not know the device, or it is not available.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if requested == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=torch.device(requested))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"The device {requested} is not available: {reason}", "Use --device cpu, or auto."
        ) from error
    return requested


def numbered(device: str) -> str:
    """Return the name of a device with its number: "cuda" becomes "cuda:0", for example.

    "cuda" alone means the current GPU of each thread, and every new thread starts with the first.
    So this function is called in the thread that has set its GPU.

    Examples
    --------
    >>> numbered("cpu"), numbered("cuda:1")
    ('cpu', 'cuda:1')
    """
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def make_current(device: torch.device) -> None:
    """Make a CUDA device the current one of this thread; other devices need nothing.

    Pinned memory belongs to the current device.
    """
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def choose_precision(requested: Precision | Literal["auto"], device: str) -> Precision:
    """Return the number format in which the network computes.

    "auto" is bf16 if the device computes in it natively, and fp32 otherwise. Processors without
    such instructions emulate bf16, which is slower than fp32.

    Parameters
    ----------
    requested : str
        "fp32", "bf16" or "auto".
    device : str
        A device name of torch.

    Examples
    --------
    >>> choose_precision("fp32", "cpu")
    'fp32'
    """
    if requested != "auto":
        return requested
    if torch.device(device).type == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device without waiting for the work that is queued there.

    A copy from ordinary memory to CUDA waits until all queued kernels have ended, and leaves the
    device without work while the next ones are queued. A copy from pinned memory is queued like a
    kernel.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def tuned_for(device: str) -> Iterator[None]:
    """Set up torch and the memory allocator for training on a device, within this context."""
    with _fast_arithmetic() if torch.device(device).type == "cuda" else _freed_memory_kept():
        yield


@contextmanager
def _fast_arithmetic() -> Iterator[None]:
    """Let CUDA multiply in TF32, and choose the fastest convolutions by trial."""
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of two parameters of mallopt(3) of glibc."""


@contextmanager
def _freed_memory_kept() -> Iterator[None]:
    """Let glibc, where it is the allocator, keep freed memory for the next step.

    By default it returns blocks as large as activations to the kernel. Each activation is then
    mapped again in every step and its pages are cleared, which takes a fifth of the time of a step
    (ResNet-18, batch 128, 32 px: 250,000 page faults and 0.5 s of 2.5 s). Kept memory raises the
    peak by a sixth, and is returned at the end.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**30)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:  # These are the largest values that glibc sets by itself.
        libc.mallopt(_MMAP_THRESHOLD, 2**25)
        libc.mallopt(_TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)
