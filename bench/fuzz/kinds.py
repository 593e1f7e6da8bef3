"""The kinds of damaged files, by the name that the command line has for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.fuzz.cases import Case, catalogues, models, pictures
from bench.fuzz.tensors import checkpoints, weights

KINDS: dict[str, Callable[[Path], Case]] = {
    "pictures": pictures,
    "models": models,
    "catalogues": catalogues,
    "weights": weights,
    "checkpoints": checkpoints,
}
"""Each makes good files in a folder, and gives the function that damages and reads one of them."""
