"""Labelling in the app: how long a label takes, and what proposals are worth.

    python -m bench.labelling large.clr clothing.clr flowers.clr > bench/results/labelling.md

Each collection, whose labels are taken for the truth, is copied, and the labels of the copy are
taken away. Then pictures that the app proposes are labelled one by one, as its page asks for it:
measured is the time from a label to what was learnt of it and to new proposals, without the
browser. Beside that, proposals are compared with pictures drawn at random, twelve at a time, on
pictures that are never labelled, by the mean accuracy of the classes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from clr_search.app.functions.label import Labelling
from clr_search.app.library.asked import Asked
from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.uploads import Uploads
from clr_search.app.teaching.finishing import Finishing
from clr_search.app.teaching.proposals import propose, uncertainty
from clr_search.app.teaching.ridge import fit_ridge
from clr_search.app.teaching.teacher import Teacher
from clr_search.index import Index

LABELLED = 120
STEP, STEPS = 12, (1, 2, 4, 8, 16)
SEEDS = 6
MOST = 12_000  # pictures of a large collection that accuracies are measured with

Vectors = NDArray[np.float32]
Classes = NDArray[np.int64]


def waited(collection: Path) -> list[float]:
    """Seconds from each label to new proposals."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(collection, Path(folder) / "copy.clr")
        with Index.open(copy, writable=True) as index:
            truth = dict(zip(index.ids(), index.labels(), strict=True))
            index.label({})
        with Index.open(copy) as index:
            library = Library(index, Uploads(Path(folder)))
            teacher = Teacher(library, Path(folder))
            asking = Labelling(teacher, Finishing(teacher), Permissions())
            rows = asking.proposals(Asked({}))["rows"]
            seconds = []
            for _ in range(LABELLED):
                number = rows[0]["id"]
                change = {"ids": [number], "label": truth[number] or "none"}
                began = time.perf_counter()
                asking.label(Asked({"changes": [change]}))
                rows = asking.proposals(Asked({}))["rows"]
                seconds.append(time.perf_counter() - began)
            library.close()
    return seconds


def learnt(x: Vectors, y: Classes, *, proposed: bool, seed: int) -> list[float]:
    """Mean accuracy of the classes after each of `STEPS`, on pictures that are never labelled."""
    generator = np.random.default_rng(seed)
    test = np.random.default_rng(0).random(len(y)) < 0.3
    pool, truth, other, expected = x[~test], y[~test], x[test], y[test]
    labelled = np.empty(0, np.int64)
    accuracies = []
    for step in range(1, max(STEPS) + 1):
        rest = np.setdiff1d(np.arange(len(pool)), labelled)
        some = generator.choice(rest, min(2000, len(rest)), replace=False)
        classes = np.unique(truth[labelled])
        chosen = some[:STEP]
        if proposed:
            doubt = None
            if len(classes) > 1:
                model = fit_ridge(pool[labelled], np.searchsorted(classes, truth[labelled]))
                doubt = uncertainty(model.probabilities(pool[some]))
            chosen = some[propose(pool[some], doubt, STEP)]
        labelled = np.concatenate([labelled, chosen])
        classes = np.unique(truth[labelled])
        model = fit_ridge(pool[labelled], np.searchsorted(classes, truth[labelled]))
        right = classes[model.probabilities(other).argmax(axis=1)] == expected
        if step in STEPS:
            each = [float(right[expected == one].mean()) for one in np.unique(expected)]
            accuracies.append(float(np.mean(each)))
    return accuracies


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", nargs="+", type=Path)
    print("# Labelling\n\n", machine(), "\n", sep="")
    print("| collection | pictures | from a label to new proposals, p50 | p95 |\n|---|---|---|---|")
    known: list[tuple[str, Vectors, Classes]] = []
    for path in parser.parse_args().collections:
        with Index.open(path) as index:
            held = index.embeddings()
        took = np.quantile(waited(path), [0.5, 0.95]) * 1000
        print(f"| {path.stem} | {len(held):,} | {took[0]:.0f} ms | {took[1]:.0f} ms |", flush=True)
        has = np.flatnonzero([label is not None for label in held.labels])
        if len(has) > MOST:
            has = np.random.default_rng(1).choice(has, MOST, replace=False)
        names = [str(held.labels[at]) for at in has]
        known.append((path.stem, held.vectors[has], np.unique(names, return_inverse=True)[1]))
    heads = " | ".join(str(STEP * step) for step in STEPS)
    print(f"\n| accuracy after so many labels | | {heads} |\n|---|---|{'---|' * len(STEPS)}")
    for name, x, y in known:
        for proposed in (True, False):
            runs = [learnt(x, y, proposed=proposed, seed=seed) for seed in range(SEEDS)]
            cells = " | ".join(f"{100 * one:.1f} %" for one in np.mean(runs, axis=0))
            how = "proposed" if proposed else "at random"
            print(f"| {name} | {how} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
