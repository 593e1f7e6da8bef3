"""R@1 of encoders, imported ones beside the one that ships, on several sets of pictures.

    python -m bench.imported flowers5 imagenette/val clothing --encoder default --encoder lite0.onnx

The share of pictures whose nearest other picture lies in the same folder. An encoder that learned
from labels of such things has an advantage over one that never saw a label: the table says what it
is worth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.machine import machine
from clr_search.contract.shipped import encoder_named
from clr_search.evaluate.compare import embeddings
from clr_search.evaluate.retrieval import leave_one_out
from clr_search.files.finding.find import find_images
from clr_search.progress import for_terminal
from clr_search.serve.encoder import Encoder


def main() -> None:
    """Embed, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="+", help="folders of folders")
    parser.add_argument("--encoder", action="append", required=True, help="a file, or default")
    given = parser.parse_args()
    reporter = for_terminal()
    sets = [
        [file for file in find_images([folder]) if file.label is not None]
        for folder in given.images
    ]
    print(f"{machine()}\n")
    heads = [f"{folder}, {len(files):,}" for folder, files in zip(given.images, sets, strict=True)]
    print(f"| encoder | numbers | MB | {' | '.join(heads)} |")
    print(f"|---|---|---|{'---|' * len(heads)}")
    for name in given.encoder:
        path = encoder_named(name)
        card = Encoder(path).card
        found = [
            leave_one_out(*embeddings(files, card.name, path, reporter)).recall_at_1
            for files in sets
        ]
        scores = " | ".join(f"{100 * recall:.1f}" for recall in found)
        size = path.stat().st_size / 1e6
        print(f"| {card.name} | {card.embedding_dim} | {size:.0f} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
