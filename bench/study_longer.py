"""Whether a finding of the paper that a short study does not show appears in a longer training.

    python -m bench.study_longer cifar10 --out longer --epochs 60 --cells crop crop+colour

Trains some cells of the augmentation experiment (`clr-search study augmentation`), with the
settings of `docs/study` but for the epochs. An interrupted run goes on with the first cell that has
no result.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bench.machine import machine
from clr_search.progress import for_terminal
from clr_search.train.study import cells, design
from clr_search.train.study.pictures import find_pictures

MEASURES = ("linear h", "kNN h", "linear z", "contrastive")


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with train/<class>/ and test/<class>/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--cells", nargs="+", default=["crop", "crop+colour"])
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    base = design.base_config(image_size=32, width=0.25, batch_size=128, epochs=given.epochs)
    whole = design.experiment("augmentation", base)
    chosen = tuple(cell for cell in whole.cells if cell.name in given.cells)
    reporter = for_terminal()
    found = find_pictures(
        [given.folder / "train"], [given.folder / "test"], limit=5000, side=32, reporter=reporter
    )
    part = replace(whole, name=f"augmentation-{given.epochs}", cells=chosen)
    results = cells.run(part, found, given.out, seeds=given.seeds, reporter=reporter)
    if results is None:
        raise SystemExit("interrupted; the same command goes on from there")
    print(f"{machine()}\n\n| {given.epochs} epochs | {' | '.join(MEASURES)} |")
    print("|---|" + "---|" * len(MEASURES))
    for result in results:
        numbers = " | ".join(f"{result.measures[name]:.1f}" for name in MEASURES)
        print(f"| {result.cell}, seed {result.seed} | {numbers} |")


if __name__ == "__main__":
    main()
