"""What training sets up on the machine, and puts back."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from clr_search.train.hardware import well_set


def page_faults() -> int:
    """Of 64 MiB that are written once and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_freed_memory_is_kept_for_the_next_step_and_given_back_at_the_end() -> None:
    pages = 2**26 // resource.getpagesize()
    with well_set("cpu"):
        kept = [page_faults() for _ in range(4)]  # the heap may have to grow twice
        assert kept[-1] < pages / 10
    assert page_faults() > pages / 2
    assert page_faults() > pages / 2
