"""Processors without the newest instructions: FAISS and NumPy are told not to use them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_SEARCHED = """
import numpy as np
from clr_search.cli.examine import instructions
from clr_search.index.ann import structures
from tests.index.ann.made import ROWS, loaded, made
from tests.index.made import brute

for kind in structures.KINDS:
    index = loaded(made(kind=kind))
    found = (index.search(ROWS[:100], 10).best(10).ids - 7) // 3
    hits = [len(set(row) & set(brute(ROWS, query, 10))) for row, query in zip(found.tolist(), ROWS)]
    print(kind, np.mean(hits) / 10)
print(instructions())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 has levels of instructions")
@pytest.mark.parametrize("level", ["NONE", "AVX2"])
def test_all_structures_find_as_well_with_fewer_instructions(level: str) -> None:
    masked = {"FAISS_SIMD_LEVEL": level, "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"}
    done = subprocess.run(
        [sys.executable, "-c", _SEARCHED],
        env={**os.environ, **masked},
        capture_output=True,
        text=True,
        check=True,
    )
    *kinds, used = done.stdout.splitlines()
    assert used.startswith(f"{level};")
    recalls = {kind: float(share) for kind, share in map(str.split, kinds)}
    assert len(recalls) == 4
    assert min(recalls.values()) >= 0.95, recalls
