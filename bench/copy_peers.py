"""Peers in finding copies: imagededup and imagehash, each as it is by default.

The weights of imagededup's CNN, trained with labels on ImageNet, come from the internet and could
not be had here. So its CNN method is given our encoder, which it provides for: what is compared
then is not the networks, but one threshold of the cosine for all collections.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.copies_drawn import Pairs
from clr_search import images
from clr_search.serve import Encoder

BITS = 10
"""Most bits by which two hashes of copies differ: the default of imagededup."""

Peer = Callable[[Path], Pairs]
"""Returns the pairs that are found in a folder."""


def peers(encoder: Path) -> dict[str, Peer]:
    """Returns the peers that are installed, by name."""
    found: dict[str, Peer] = {}
    if find_spec("imagededup") is not None:
        found["imagededup PHash"] = partial(_imagededup_hash, "PHash")
        found["imagededup DHash"] = partial(_imagededup_hash, "DHash")
        found["imagededup CNN method, our encoder"] = partial(_imagededup_cnn, encoder)
    if find_spec("imagehash") is not None:
        found["imagehash phash"] = _imagehash
    return found


def _imagededup_hash(method: str, folder: Path) -> Pairs:
    """Pairs that a hash of imagededup finds."""
    hasher = getattr(importlib.import_module("imagededup.methods"), method)(verbose=False)
    # Its own default number of processes would be that of all cores, which others use as well.
    found = hasher.find_duplicates(
        image_dir=str(folder),
        max_distance_threshold=BITS,
        num_enc_workers=0,
        num_dist_workers=0,
    )
    return _sorted(found)


def _sorted(found: dict[str, list[str]]) -> Pairs:
    """Pairs of what imagededup returns."""
    return {(min(one, o), max(one, o)) for one, others in found.items() for o in others}


class Ours(torch.nn.Module):
    """Our encoder, as imagededup takes a network: squares, uint8 [N, S, S, 3] → float32 [N, D]."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.encoder = Encoder(path)

    def see(self, picture: Image.Image) -> torch.Tensor:
        """What the encoder sees of a picture, uint8 [S, S, 3]."""
        pixels = np.asarray(picture.convert("RGB"))
        return torch.from_numpy(images.square(pixels, self.encoder.image_size))

    def forward(self, squares: torch.Tensor) -> torch.Tensor:
        """Unit vectors."""
        return torch.from_numpy(self.encoder.encode_squares(squares.numpy()))


def _imagededup_cnn(encoder: Path, folder: Path) -> Pairs:
    """Pairs that imagededup's CNN method finds with our encoder, at its default threshold, 0.9."""
    models = importlib.import_module("imagededup.utils.models")
    network = Ours(encoder)
    method = importlib.import_module("imagededup.methods").CNN(
        verbose=False,
        model_config=models.CustomModel(name="clr-search", model=network, transform=network.see),
    )
    return _sorted(
        method.find_duplicates(image_dir=str(folder), num_enc_workers=0, num_sim_workers=0)
    )


def _imagehash(folder: Path) -> Pairs:
    """Pairs that the perceptual hash of imagehash finds, of 64 bits."""
    phash = importlib.import_module("imagehash").phash
    hashes = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            hashes[path.name] = phash(picture)
    close = combinations(hashes, 2)
    return {(one, other) for one, other in close if hashes[one] - hashes[other] <= BITS}
