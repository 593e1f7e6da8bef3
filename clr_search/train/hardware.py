"""What the machine can do: the device and the number format to train in."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from clr_search.errors import UsageError
from clr_search.train.settings.names import Precision


def choose_device(asked: str) -> str:
    """The device to train on: the one asked for, or with "auto" CUDA where there is one.

    Raises
    ------
    UsageError
        If torch does not know the device, or has it not here.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=torch.device(asked))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"The device {asked} is not available: {reason}", "Use --device cpu, or auto."
        ) from error
    return asked


def numbered(device: str) -> str:
    """The device with its number, where it is CUDA: "cuda" is each thread's own current one.

    To be called in the thread that has set it: every other one begins with the first.
    """
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def make_current(device: torch.device) -> None:
    """Let this thread work on a device: memory is pinned for that which is current."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def choose_precision(asked: Precision | Literal["auto"], device: str) -> Precision:
    """bf16 where the device computes in it natively, else fp32; or what was asked for.

    Emulated bf16 is slower than fp32, so that support alone is not enough on a processor.
    """
    if asked != "auto":
        return asked
    if torch.device(device).type == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device, without waiting for the work that the device still has to do.

    From ordinary memory a copy to CUDA first waits until all queued kernels have ended, which would
    leave the device without work while the next ones are queued; from pinned memory it takes its
    turn among them.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def well_set(device: str) -> Iterator[None]:
    """Set torch and the memory allocator up for training on a device, within this context."""
    with _fast_arithmetic() if torch.device(device).type == "cuda" else _memory_kept():
        yield


@contextmanager
def _fast_arithmetic() -> Iterator[None]:
    """Let CUDA multiply in TF32 and choose convolutions by trial."""
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt(3)


@contextmanager
def _memory_kept() -> Iterator[None]:
    """Let glibc keep freed memory for the next step, where it is the allocator.

    Activations are larger than what it keeps by itself: each is mapped anew in every step, and the
    kernel clears its pages, a fifth of the time of a step (ResNet-18, batch 128, 32 px: 250,000
    page faults and 0.5 s of 2.5 s). The peak is a sixth higher, and is given back at the end.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**30)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:  # to the largest values that glibc reaches by itself
        libc.mallopt(_MMAP_THRESHOLD, 2**25)
        libc.mallopt(_TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)
