"""How many of the nearest should vote: accuracy of the weighted vote, leave-one-out, by k.

    python -m bench.neighbours clothing.clr flowers.clr

The labels of each collection are its classes. The last column is the k of `knn.neighbours`, by
which training and `evaluate` measure; `classify --knn` takes 20, or that where it is less.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bench.machine import machine
from clr_search import knn
from clr_search.index import Index

COUNTS = (1, 5, 10, 20, 50, 100)


def accuracies(collection: Path) -> tuple[int, list[float]]:
    """The k of the rule, and the accuracy in per cent by each of `COUNTS` and by that k."""
    with Index.open(collection) as index:
        held = index.embeddings()
    known = np.array([label is not None for label in held.labels])
    names, y = np.unique([label for label in held.labels if label], return_inverse=True)
    similarity = held.vectors[known] @ held.vectors[known].T
    np.fill_diagonal(similarity, -np.inf)
    rule = knn.neighbours(len(y) - 1, len(names))
    order = np.argsort(-similarity, axis=1)[:, : max(*COUNTS, rule)]
    near = np.take_along_axis(similarity, order, axis=1)
    votes = [knn.vote(y[order[:, :k]], near[:, :k], len(names)) for k in (*COUNTS, rule)]
    return rule, [100 * float((vote.argmax(axis=1) == y).mean()) for vote in votes]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collections", type=Path, nargs="+")
    print(machine())
    print("\n`python -m bench.neighbours`: the encoder that ships, accuracy in %\n")
    print(f"| pictures that vote | {' | '.join(map(str, COUNTS))} | by the rule |")
    print("|---" * (len(COUNTS) + 2) + "|")
    for collection in parser.parse_args().collections:
        rule, found = accuracies(collection)
        cells = " | ".join(f"{one:.1f}" for one in found)
        print(f"| {collection.stem} | {cells} ({rule}) |")


if __name__ == "__main__":
    main()
