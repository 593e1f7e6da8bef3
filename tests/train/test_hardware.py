"""What training sets up on the machine, and puts back."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

import pytest
import torch

from clr_search.train.hardware import tuned_for

MB = 2**20


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def write_and_free(count: int) -> None:
    """Tensors of 64 MB, all at once."""
    held = [torch.ones(16 * MB) for _ in range(count)]
    del held


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_freed_memory_is_kept_for_the_next_step_and_given_back_at_the_end() -> None:
    write_and_free(8)
    before = resident()
    with tuned_for("cpu"):
        write_and_free(8)
        kept = resident() - before
    left = resident() - before
    assert kept > 400 * MB
    assert left < 100 * MB
