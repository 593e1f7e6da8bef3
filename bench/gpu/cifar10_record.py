"""Time to 90.0 % weighted-kNN accuracy on CIFAR-10 without labels, ResNet-18.

    python -m bench.gpu.cifar10_record cifar10 --out record --seeds 0 1 2

The stated open record is 1 h 39 min on an A100 (dkobak/simclr-cifar10). The clock is that of the
training epochs; decoding and evaluation are not on it. Accuracy is that of the last epoch, on the
10,000 test pictures, by the 50,000 training pictures. Runs checkpoint: the same command goes on.
`--rehearse` does one epoch of a small network, on a processor.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bench.gpu import cifar10
from bench.machine import machine
from clr_search.train.presets import PRESETS

TARGET = 0.900


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with train/<class>/ and test/<class>/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    print(machine(), "\n")
    print("| seed | epochs | minutes | images/s | GPU memory | kNN | 90.0 % reached |")
    print("|---|---|---|---|---|---|---|")
    for seed in given.seeds:
        config = replace(
            PRESETS["cifar10"].config,
            epochs=given.epochs,
            batch_size=given.batch_size,
            seed=seed,
            knn_every=0,
            device=given.device,
        )
        if given.rehearse:
            config = cifar10.shortened(config)
        trained, train_set, test_set = cifar10.trained_and_embedded(
            given.folder, given.out / f"seed{seed}", config
        )
        accuracy = cifar10.knn_accuracy(train_set, test_set)
        print(
            f"| {seed} | {config.epochs} | {trained.seconds / 60:.1f} | "
            f"{trained.images_per_second:,.0f} | {trained.peak_gigabytes:.1f} GB | "
            f"{accuracy:.1%} | {'yes' if accuracy >= TARGET else 'no'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
