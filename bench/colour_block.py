"""Whether a block of colour beside an encoder's vectors finds more.

    python -m bench.colour_block flowers5 imagenette128/val clothing --encoder default

The block is made of the square that the encoder sees: a histogram of 8 × 8 × 8 colours, one of soft
bins, as a graph of portable operators can compute it, and one of 4 × 4 × 4 colours in each quarter.
Each is the root of the shares, centred on the collection and of length 1; its weight w is the
factor by which it stands beside the unit vector: the score is (cos h + w² cos colour) / (1 + w²).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from clr_search.contract.shipped import encoder_named
from clr_search.errors import ImageError
from clr_search.evaluate.retrieval import Retrieval, leave_one_out
from clr_search.files.finding.find import find_images
from clr_search.images import decode_square, read
from clr_search.serve.encoder import Encoder

WEIGHTS = (0.2, 0.3, 0.4, 0.5)


def hard(squares: NDArray[np.uint8], bins: int = 8) -> NDArray[np.float64]:
    """Shares of the colours, each pixel of one bin: [N, bins³]."""
    levels = squares.astype(np.int64) * bins // 256
    places = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
    rows = places.reshape(len(squares), -1)
    return np.stack([np.bincount(row, minlength=bins**3) / len(row) for row in rows])


def soft(squares: NDArray[np.uint8], bins: int = 8, parts: int = 1) -> NDArray[np.float64]:
    """Shares of the colours, each pixel of the bins beside it: [N, parts² · bins³]."""
    count, side = len(squares), squares.shape[1] // 2
    halved = squares.reshape(count, side, 2, side, 2, 3).mean(axis=(2, 4)) / 255
    centres = (np.arange(bins) + 0.5) / bins
    found = []
    step = side // parts
    for picture in halved:
        near = np.clip(1 - np.abs(picture[..., None] - centres) * bins, 0, 1)
        near /= near.sum(axis=-1, keepdims=True)
        row = []
        for y in range(0, parts * step, step):
            for x in range(0, parts * step, step):
                red, green, blue = np.moveaxis(near[y : y + step, x : x + step], 2, 0)
                both = np.einsum("yxr,yxg->rgyx", red, green).reshape(bins * bins, -1)
                row.append((both @ blue.reshape(-1, bins)).ravel() / step**2)
        found.append(np.concatenate(row))
    return np.stack(found)


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """The rows at length 1."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: NDArray[np.float32] = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def squares_of(folder: Path, side: int) -> tuple[NDArray[np.uint8], list[str]]:
    """The squares that an encoder sees, and the labels, of the pictures that can be read."""
    squares, labels = [], []
    for file in find_images([folder]):
        try:
            squares.append(decode_square(read(file.path)[0], side).pixels)
        except ImageError:
            continue
        labels.append(str(file.label))
    return np.stack(squares), labels


def told(found: Retrieval) -> list[str]:
    """R@1 and the accuracy of kNN in per cent."""
    return [f"{100 * found.recall_at_1:.1f}", f"{100 * found.knn_accuracy:.1f}"]


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="+", help="folders of folders")
    parser.add_argument("--encoder", default="default", help="a file, or default")
    given = parser.parse_args()
    encoder = Encoder(encoder_named(given.encoder))
    print(f"{machine()}\n")
    print(f"{encoder.card.name}, {encoder.image_size} px\n")
    weights = [f"w {w:g}: R@1 | kNN" for w in WEIGHTS]
    print(f"| | block alone, R@1 | without, R@1 | kNN | {' | '.join(weights)} |")
    print("|" + "---|" * (4 + 2 * len(weights)))
    for folder in given.images:
        squares, labels = squares_of(folder, encoder.image_size)
        vectors = encoder.encode_squares(squares)
        before = leave_one_out(vectors, labels)
        for name, shares in (
            ("8³ colours", hard(squares)),
            ("8³ soft", soft(squares)),
            ("4³ soft, in quarters", soft(squares, 4, 2)),
        ):
            block = np.sqrt(shares)
            block = unit(block - block.mean(axis=0))
            alone = leave_one_out(block, labels)
            cells = [f"{100 * alone.recall_at_1:.1f}", *told(before)]
            for weight in WEIGHTS:
                joined = unit(np.concatenate([vectors, weight * block], axis=1))
                row = leave_one_out(joined, labels)
                cells += told(row)
            print(f"| {folder.name}: {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
