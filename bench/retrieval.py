"""How well encoders find pictures of the same folder, beside a colour histogram and a hash.

    python -m bench.retrieval flowers5 --encoder encoder.onnx --encoder default
    python -m bench.retrieval imagenette128/val --bank imagenette128/train --encoder default

Leave-one-out retrieval and classification with the folders as labels: R@1, P@10, mAP, weighted kNN
(arXiv 1805.01978; k is 200, at most the mean size of a class) and a linear probe. With `--bank`,
also the usual benchmark of self-supervised learning: kNN with k = 200 of the pictures against those
of another folder. The hash is the 64-bit DCT hash, compared by the share of equal bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from clr_search import images
from clr_search.contract.shipped import encoder_named
from clr_search.errors import ImageError
from clr_search.evaluate.compare import embeddings, histograms, score, table
from clr_search.evaluate.retrieval import knn_accuracy
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.progress import for_terminal
from clr_search.serve.encoder import Encoder

HASH_SIDE = 8
"""The lowest 8 × 8 frequencies of 32 × 32 pixels."""


def perceptual_hash(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """±1/8 by frequency, float32 [64]: above or below the median; dot products as of unit vectors.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB.
    """
    from PIL import Image

    grey = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    frequency, place = np.mgrid[:HASH_SIDE, :32]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / 64)  # the DCT of type II
    low = waves @ np.asarray(grey, dtype=np.float64) @ waves.T
    return (np.where(low > np.median(low), 1, -1) / HASH_SIDE).astype(np.float32).ravel()


def hashes(files: list[ImageFile]) -> tuple[NDArray[np.float32], list[str]]:
    """Hashes and labels of the pictures that can be read."""
    found, labels = [], []
    for file in files:
        try:
            picture = images.load(file.path, at_least=32)
        except ImageError:
            continue
        found.append(perceptual_hash(picture.pixels))
        labels.append(str(file.label))
    return np.stack(found), labels


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, help="a folder of folders")
    parser.add_argument("--encoder", action="append", required=True, help="a file, or default")
    parser.add_argument("--bank", type=Path, help="another folder of folders, to vote")
    given = parser.parse_args()
    paths = [encoder_named(name) for name in given.encoder]
    cards = [Encoder(path).card for path in paths]
    names = [f"{card.name}, {card.image_size} px" for card in cards]
    if len(set(names)) < len(names):
        names = given.encoder
    files = [file for file in find_images([given.images]) if file.label is not None]
    reporter = for_terminal()
    rows = [
        score("RGB histogram", *histograms(files, reporter)),
        score("perceptual hash", *hashes(files)),
    ]
    found = {n: embeddings(files, n, path, reporter) for n, path in zip(names, paths, strict=True)}
    rows += [score(name, *described) for name, described in found.items()]
    print(f"{machine()}\n")
    print(f"{given.images.parent.name}/{given.images.name}: {len(files):,} pictures\n")
    print(table(rows))
    if given.bank is None:
        return
    bank = [file for file in find_images([given.bank]) if file.label is not None]
    print(f"\n| kNN against {len(bank):,} of {given.bank.name} | % |\n|---|---|")
    for name, path in zip(names, paths, strict=True):
        accuracy = knn_accuracy(*embeddings(bank, name, path, reporter), *found[name])
        print(f"| {name} | {100 * accuracy:.1f} |")


if __name__ == "__main__":
    main()
