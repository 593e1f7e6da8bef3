"""FAISS indexes, which are derived from the catalogue: their kinds, choice and files."""

from __future__ import annotations

import os

import numpy as np  # noqa: F401  # before the kernels are named, which its own library knows better

from clr_search.cores import name_kernels

name_kernels()

# OpenMP reads this when FAISS is loaded, which is later. Threads that wait by spinning take the
# cores from those that they wait for as soon as another process wants one, too: k-means beside two
# busy processes took four times as long (`python -m bench.waiting`). Who has set it, knows better.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
