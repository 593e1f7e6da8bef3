"""Small real artefacts for tests: a random encoder under the contract, and a few pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.made import write_tiny_encoder as write_tiny_encoder

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


def write_pictures(folder: Path, *, each: int = 12, seed: int = 0) -> Path:
    """`each` noisy pictures of each of three colours, in three folders, of differing sizes."""
    generator = np.random.default_rng(seed)
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            height, width = generator.integers(30, 90, 2)
            noise = generator.normal(0, 30, (height, width, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            suffix = "png" if number % 2 else "jpg"
            Image.fromarray(pixels).save(folder / label / f"{label}{number:02d}.{suffix}")
    return folder
