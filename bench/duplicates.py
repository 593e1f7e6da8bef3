"""Finding copies, kind by kind: ours beside imagededup and imagehash.

    python -m bench.duplicates --encoder default [--photos FOLDER ...] [--pictures 60] [--copied 20]
    python -m bench.duplicates --encoder default --only photos --photos FOLDER --pictures 5000
    python -m bench.duplicates --vectors 100000

Each kind of `bench.drawn` (text pages, forms, scans, icons, patterns, renderings, medical grey,
blank or dark) is a collection of its own, and so are photographs of each folder. First all pictures
differ, and every pair is wrong. Then some are copied in five ways: re-encoded, resized, cropped by
10 %, rotated by 2°, with a watermark. Recall is the share of copies found together with their
original; precision that of pairs found that are of one original. Pictures of a folder of the same
bytes are left out; other copies that it has from the start count as wrong. The peers have the
thresholds that they have by default. With `--vectors`, time and memory of the search for pairs
among so many random vectors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from bench.copies_drawn import WAYS, Draw, Pairs, copy, found, kinds, paired, true_pairs, write
from bench.copy_peers import Peer, peers
from bench.machine import machine
from clr_search.analysis.duplicates import find_duplicates
from clr_search.analysis.grouping import near_pairs
from clr_search.contract.shipped import encoder_named
from clr_search.index import Index


def ours(encoder: Path, folder: Path) -> Pairs:
    """Pairs within the groups that clr-search finds."""
    with tempfile.TemporaryDirectory() as temporary:
        with Index.create(Path(temporary) / "copies.clr", encoder) as index:
            index.update([folder])
            groups = find_duplicates(index).groups
        return paired([[copy.item.path.name for copy in group.copies] for group in groups])


def row(kind: str, name: str, alone: Pairs, pairs: Pairs, family: dict[str, str]) -> str:
    """A line of the table: wrong pairs where all differ, precision, and recall by way."""
    copies = found(pairs, family)
    precision = f"{100 * true_pairs(pairs) / len(pairs):.1f}" if pairs else "no pairs"
    told = [len(copies), *(_copied(way, copies) * len(WAYS) for way in WAYS)]
    cells = " | ".join(f"{100 * count / len(family):.1f}" for count in told)
    return f"| {kind} | {name} | {len(alone)} | {precision} | {cells} |"


def _copied(way: str, copies: set[str]) -> int:
    """Returns how many of the copies are of a way."""
    return sum(name.endswith(f"-{way}.jpg") for name in copies)


def measure(kind: str, draw: Draw, count: int, copied: int, methods: dict[str, Peer]) -> None:
    """Print the lines of one kind."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        write(draw, folder, count)
        alone = {name: method(folder) for name, method in methods.items()}
        family = copy(folder, min(copied, count))
        for name, method in methods.items():
            print(row(kind, name, alone[name], method(folder), family), flush=True)


def pairs_of_vectors(count: int) -> None:
    """Print time and memory of finding the pairs among random unit vectors in clusters."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((count // 50, 512), dtype=np.float32)
    rows = centres[generator.integers(count // 50, size=count)]
    rows += 0.3 * generator.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    began = time.perf_counter()
    tracemalloc.start()
    pairs, _ = near_pairs(rows, 0.93)
    grown = tracemalloc.get_traced_memory()[1] / 2**20
    seconds = time.perf_counter() - began
    print(machine(), "\n")
    print(
        f"{count:,} vectors of 512 dimensions: {len(pairs):,} pairs in {seconds:.0f} s, at most "
        f"{grown:.0f} MB beside the vectors"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=encoder_named)
    parser.add_argument("--vectors", type=int)
    parser.add_argument("--photos", type=Path, nargs="+", default=[])
    parser.add_argument("--only", default="", help="kinds whose names begin so")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--copied", type=int, default=20)
    given = parser.parse_args()
    if given.vectors:
        pairs_of_vectors(given.vectors)
        return
    if given.encoder is None:
        parser.error("give --encoder, or --vectors")
    methods = {"clr-search": lambda folder: ours(given.encoder, folder)} | peers(given.encoder)
    print(machine(), "\n")
    print(f"At most {given.pictures:,} pictures of a kind, {given.copied:,} of them copied\n")
    print(f"| | | wrong where all differ | precision | recall | {' | '.join(WAYS)} |")
    print("|---|---|" + "---|" * (3 + len(WAYS)), flush=True)
    for kind, (draw, count) in kinds(given.photos, given.pictures).items():
        if kind.startswith(given.only):
            measure(kind, draw, count, given.copied, methods)


if __name__ == "__main__":
    main()
