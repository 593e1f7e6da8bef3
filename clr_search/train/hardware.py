"""What the machine can do: the device and the number format to train in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from clr_search.errors import UsageError
from clr_search.train.config import Precision


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


@contextmanager
def fast_arithmetic(device: str) -> Iterator[None]:
    """Let CUDA multiply in TF32 and choose convolutions by trial, within this context."""
    if torch.device(device).type != "cuda":
        yield
        return
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark
