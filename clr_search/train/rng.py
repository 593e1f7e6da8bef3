"""Randomness as a function of seed, purpose and number.

No generator lives longer than one use: the order of an epoch follows from (seed, "order", epoch),
the views of a step from (seed, "views", step). What a run needs to restore is thus its seed and
its step, and a run that was resumed cannot differ from one that was not. The numbers are drawn on
the processor for every device, so that a device does not change them.
"""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, purpose: str, number: int = 0) -> int:
    """A 63-bit seed for one purpose and number, unrelated to that of any other."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator_for(seed: int, purpose: str, number: int = 0) -> torch.Generator:
    """A fresh generator on the processor, for one purpose and number."""
    return torch.Generator().manual_seed(derived_seed(seed, purpose, number))
