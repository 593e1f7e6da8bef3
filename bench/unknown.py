"""Which statistic tells pictures of none of the classes, and whether the threshold keeps its word.

    python -m bench.unknown ~/clr-data > bench/results/unknown.md

Higher is more typical; a fifth of the known pictures is held out, and a classifier is fitted on the
rest. AUROC: chance that a held-out known picture is more typical than an unknown one. FPR: share of
the unknown that pass where 95 % of the known do. By the shipped encoder.

Two sets differ in how their files were made: cropped, resized, compressed. An encoder sees that,
and what tells flowers5 from Imagenette as they lie on disk is mostly not flowers. So a statistic
is chosen by (A) leaving classes of one set out, and (B) sets put through the same resizing to 32
pixels and the same compression; the sharpness of the pixels alone, which knows no class, stands
below as a control. (C) is of the files as they are, and no measure of anything. (D) asks the same
of the threshold: known pictures, processed otherwise.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bench.machine import machine
from clr_search import images
from clr_search.errors import ImageError
from clr_search.files.finding.find import find_images
from clr_search.serve.encoder import Encoder
from clr_search.serve.probe.fit import ranks
from clr_search.serve.probe.novelty import Distance, fit_novelty
from clr_search.serve.probe.regression import ScaledRegression

SETS = {
    "flowers5": ("flowers5", 1),
    "Imagenette": ("imagenette128/val", 1),
    "CIFAR-10": ("cifar10/test", 5),
    "camera": ("camera_samples/photos", 1),
}
"""Folders below the data, and of how many pictures one is taken."""

EQUAL, SEEDS, PENALTY = 32, 3, 0.1
KNOWN = ("flowers5", "Imagenette")

Vectors = NDArray[np.float64]
Process = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
Statistic = Callable[[Vectors], NDArray[Any]]


@dataclass(frozen=True)
class Data:
    """Embeddings and classes of a set, and how sharp each picture is."""

    x: Vectors
    y: NDArray[np.int64]
    names: list[str]
    sharpness: NDArray[np.float64]


def load(root: Path, encoder: Encoder, name: str, process: Process = lambda pixels: pixels) -> Data:
    """A set as it is, or processed."""
    folder, step = SETS[name]
    squares, labels = [], []
    for file in find_images([root / folder])[::step]:
        try:
            pixels = images.load(file.path, at_least=2 * encoder.image_size).pixels
        except ImageError:
            continue
        pixels = images.square(pixels, min(128, *pixels.shape[:2]))
        squares.append(process(pixels))
        labels.append(file.label or "")
    names, y = np.unique(labels, return_inverse=True)
    x = encoder.encode(squares).astype(np.float64)
    return Data(x, y, names.tolist(), np.array([sharpness(one) for one in squares]))


def through_jpeg(side: int) -> Process:
    """Resized, and compressed at quality 75."""

    def process(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        buffer = io.BytesIO()
        resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
        resized.save(buffer, "JPEG", quality=75)
        return np.asarray(Image.open(buffer))

    return process


def sharpened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As many cameras and resizing programs do: an unsharp mask, Pillow's default strength."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.UnsharpMask(1)))


def sharpness(pixels: NDArray[np.uint8]) -> float:
    """Share of the energy of a picture in its highest frequencies."""
    grey = pixels.mean(axis=2)
    energy = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in grey.shape), indexing="ij"))
    return float(energy[f > 0.37].sum() / max(energy.sum(), 1e-9))


def statistics(x: Vectors, y: NDArray[np.int64]) -> dict[str, Statistic]:
    """The candidates, fitted."""
    model = ScaledRegression.fit(x, y, PENALTY)
    weights, bias = (part.astype(np.float64) for part in model.folded())
    distance = Distance.fit(x, y)
    means = np.stack([x[y == one].mean(axis=0) for one in np.unique(y)])
    units = means / np.linalg.norm(means, axis=1, keepdims=True)
    background = Distance.fit(x, np.zeros_like(y))

    def neighbour(k: int) -> Statistic:
        return lambda q: np.partition(q @ x.T, -k, axis=1)[:, -k]

    return {
        "largest probability (Hendrycks, Gimpel 2017)": lambda q: model.probabilities(q).max(1),
        "largest logit (Hendrycks et al. 2022)": lambda q: (q @ weights.T + bias).max(1),
        "cosine to the nearest class mean": lambda q: (q @ units.T).max(1),
        "cosine to the nearest picture": neighbour(1),
        "cosine to the 10th nearest (Sun et al. 2022)": neighbour(10),
        "relative Mahalanobis (Ren et al. 2021)": lambda q: (
            background.of(q) ** 2 - distance.of(q) ** 2
        ),
        "**Mahalanobis, shrunk (Lee et al. 2018)**": lambda q: -distance.of(q),
    }


def auroc(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    """Chance that a known one is the higher, equals counting half."""
    below = np.searchsorted(np.sort(unknown), known, "left")
    upto = np.searchsorted(np.sort(unknown), known, "right")
    return float((below + upto).mean() / 2 / len(unknown))


def passing(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    """Share of the unknown at or above what 95 % of the known reach."""
    return float((unknown >= np.quantile(known, 0.05)).mean())


Figures = dict[str, dict[str, list[tuple[float, float]]]]


def compare(found: Figures, column: str, known: Data, unknown: Vectors, seeds: int = SEEDS) -> None:
    """Add figures of one column to `found`."""
    for seed in range(seeds):
        held = ranks(known.y, np.random.default_rng(seed)) % 5 == 0
        for name, statistic in statistics(known.x[~held], known.y[~held]).items():
            a, b = statistic(known.x[held]), statistic(unknown)
            found.setdefault(name, {}).setdefault(column, []).append((auroc(a, b), passing(a, b)))


def without(data: Data, one: int) -> Data:
    """All but one class."""
    keep = data.y != one
    return Data(data.x[keep], np.unique(data.y[keep], return_inverse=True)[1], [], np.empty(0))


def print_table(title: str, found: Figures) -> Figures:
    """AUROC / FPR in per cent, with their means, which are also the result."""
    overall: Figures = {}
    columns = list(next(iter(found.values())))
    print(f"\n{title}\n\n| AUROC / FPR, % | {' | '.join(columns)} | mean |")
    print("|---" * (len(columns) + 2) + "|")
    for name, row in found.items():
        means = [np.mean(row[column], axis=0) for column in columns]
        cells = [f"{100 * a:.1f} / {100 * f:.1f}" for a, f in [*means, np.mean(means, axis=0)]]
        print(f"| {name} | {' | '.join(cells)} |")
        overall[name] = {title.strip("*"): [tuple(np.mean(means, axis=0))]}
    return overall


def across(sets: dict[str, Data]) -> Figures:
    """Each known set against all others, with the control."""
    found: Figures = {}
    control: dict[str, list[tuple[float, float]]] = {}
    for known in KNOWN:
        for unknown in SETS:
            if unknown == known:
                continue
            column = f"{known} - {unknown}"
            compare(found, column, sets[known], sets[unknown].x)
            a, b = sets[known].sharpness, sets[unknown].sharpness
            sign = 1 if auroc(a, b) >= 0.5 else -1
            control[column] = [(auroc(sign * a, sign * b), passing(sign * a, sign * b))]
    return found | {"*control: sharpness alone*": control}


def coverage(data: Data, shots: int | None, seeds: int) -> NDArray[np.float64]:
    """Share of new known pictures that are accepted, by seed."""
    shares = []
    for seed in range(seeds):
        rank = ranks(data.y, np.random.default_rng(seed))
        given = rank % 2 == 0 if shots is None else rank < shots
        x, y = data.x[given], data.y[given]
        held = ranks(y, np.random.default_rng(seed)) % 5 == 0
        novelty = fit_novelty(x, y, held if shots is None else np.zeros_like(held))
        assert novelty is not None
        shares.append((novelty.of(data.x[~given]) <= 1).mean())
    return np.array(shares)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with the sets; see bench/README.md")
    root = parser.parse_args().data.expanduser()
    encoder = Encoder(threads=1)
    plain = {name: load(root, encoder, name) for name in SETS}
    equal = {name: load(root, encoder, name, through_jpeg(EQUAL)) for name in SETS}
    print(machine())
    sizes = ", ".join(f"{name} {len(data.x):,}" for name, data in plain.items())
    print(f"\n`python -m bench.unknown`; {sizes} pictures; means of {SEEDS} seeds.")
    tables: list[Figures] = []
    for name in KNOWN:
        found: Figures = {}
        for one, label in enumerate(plain[name].names):
            left = plain[name].x[plain[name].y == one]
            compare(found, label, without(plain[name], one), left)
        tables.append(print_table(f"**A. {name}, one class left out as the unknown**", found))
    title = f"**B. Known set - unknown set, all at {EQUAL} px and JPEG 75**"
    tables.append(print_table(title, across(equal)))
    whole = {
        name: {key: value for table in tables for key, value in table[name].items()}
        for name in tables[0]
    }
    print_table("**A and B together, by which the statistic was chosen**", whole)
    print_table("**C. The same of the files as they are: not to be believed**", across(plain))
    print("\n**Accepted of new known pictures, meant to be 95 %** (mean ± deviation of 20 seeds)\n")
    print("| | half of the set, a fifth of it held out | 5 a class, leave one out | 10 a class |")
    print("|---|---|---|---|")
    for name in KNOWN:
        shares = [coverage(plain[name], shots, 20) for shots in (None, 5, 10)]
        cells = [f"{100 * s.mean():.1f} ± {100 * s.std(ddof=1):.1f}" for s in shares]
        print(f"| {name} | {' | '.join(cells)} |")
    print_otherwise(root, encoder, plain)


def print_otherwise(root: Path, encoder: Encoder, plain: dict[str, Data]) -> None:
    """Table D."""
    ways: dict[str, Process] = {
        "at 64 px, JPEG 75": through_jpeg(64),
        "at 32 px, JPEG 75": through_jpeg(32),
        "sharpened": sharpened,
    }
    print("\n**D. Refused of known, held-out pictures that were processed otherwise, %**\n")
    print(f"| known | as they are | {' | '.join(ways)} |")
    print("|---" * (len(ways) + 2) + "|")
    for name in KNOWN:
        data = plain[name]
        rank = ranks(data.y, np.random.default_rng(0)) % 5
        novelty = fit_novelty(data.x[rank > 0], data.y[rank > 0], rank[rank > 0] == 1)
        assert novelty is not None
        sets = [data, *(load(root, encoder, name, way) for way in ways.values())]
        refused = [100 * float((novelty.of(one.x[rank == 0]) > 1).mean()) for one in sets]
        print(f"| {name} | {' | '.join(f'{share:.1f}' for share in refused)} |")


if __name__ == "__main__":
    main()
