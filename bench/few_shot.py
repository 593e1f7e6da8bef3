"""Classifiers of 1 to 20 pictures a class: penalties of the regression, and nearest class means.

    python -m bench.few_shot ~/clr-data > bench/results/few-shot.md

Drawn ten times, measured on the other pictures of the set, by the shipped encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from clr_search.files.finding.find import find_images
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, embed_files
from clr_search.serve.probe.few_shot import FEW, fit_shots
from clr_search.serve.probe.fit import PENALTIES, ranks
from clr_search.serve.probe.regression import ScaledRegression

SETS = ("flowers5", "imagenette128/val")
SHOTS = (1, 2, 5, 10, 20)
SEEDS = 10
CHOSEN = "as `probe` fits it"

Vectors = NDArray[np.float64]
Classes = NDArray[np.int64]


def load(encoder: Encoder, folder: Path) -> tuple[Vectors, Classes]:
    """Embeddings and classes."""
    files = find_images([folder])
    found = [one for batch in embed_files(encoder, [f.path for f in files]) for one in batch]
    pairs = [
        (o.vector, f.label) for o, f in zip(found, files, strict=True) if isinstance(o, Embedded)
    ]
    y = np.unique([str(label) for _, label in pairs], return_inverse=True)[1]
    return np.stack([vector for vector, _ in pairs]).astype(np.float64), y


def guesses(x: Vectors, y: Classes, test: Vectors) -> dict[str, Classes]:
    """Classes of test pictures, by each classifier."""
    means = np.stack([x[y == one].mean(axis=0) for one in range(int(y.max()) + 1)])
    centred = means - x.mean(axis=0)
    found = {
        "nearest class mean, cosine": test @ (means / _norms(means)).T,
        "the same, centred": (test - x.mean(axis=0)) @ (centred / _norms(centred)).T,
    }
    result = {name: scores.argmax(axis=1) for name, scores in found.items()}
    for penalty in PENALTIES[:6]:
        name = f"logistic regression, λ = {penalty:g}"
        result[name] = ScaledRegression.fit(x, y, penalty).classify(test)
    fitted = fit_shots(x.astype(np.float32), [f"{one:03}" for one in y])
    return result | {CHOSEN: fitted.estimator.classify(test)}


def _norms(rows: Vectors) -> Vectors:
    return np.asarray(np.linalg.norm(rows, axis=1, keepdims=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with the sets; see bench/README.md")
    root = parser.parse_args().data.expanduser()
    encoder = Encoder(threads=1)
    print(machine())
    print(
        f"\n`python -m bench.few_shot`: accuracy in %, mean ± deviation of {SEEDS} draws. The last "
        f"line is λ = 1 below {FEW} pictures a class, and cross-validated from there on."
    )
    for name in SETS:
        x, y = load(encoder, root / name)
        rows: dict[str, list[str]] = {}
        for shots in SHOTS:
            scores: dict[str, list[float]] = {}
            for seed in range(SEEDS):
                given = ranks(y, np.random.default_rng(seed)) < shots
                for method, guess in guesses(x[given], y[given], x[~given]).items():
                    scores.setdefault(method, []).append(float((guess == y[~given]).mean()))
            for method, found in scores.items():
                spread = f"{100 * np.mean(found):.1f} ± {100 * np.std(found, ddof=1):.1f}"
                rows.setdefault(method, []).append(spread)
        print(f"\n**{name}**, {len(x):,} pictures, {int(y.max()) + 1} classes\n")
        print(f"| pictures a class | {' | '.join(map(str, SHOTS))} |")
        print("|---" * (len(SHOTS) + 1) + "|")
        for method, cells in rows.items():
            print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
