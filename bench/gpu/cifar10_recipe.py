"""Linear accuracy on CIFAR-10 after training without labels (SimCLR, B.9): ResNet-18 and ResNet-50.

    python -m bench.gpu.cifar10_recipe cifar10 --out recipe --architectures resnet18 resnet50

The paper has 94.0 % for ResNet-50 after 1,000 epochs at batch 1,024, τ 0.5, colour strength 0.5, no
blur. Here the classifier is a logistic regression on h. Runs checkpoint: the same command goes on.
`--rehearse` does one epoch of a small network, on a processor.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bench.gpu import cifar10
from bench.machine import machine
from clr_search.train.settings.presets import PRESETS


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with train/<class>/ and test/<class>/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--architectures", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    print(machine(), "\n")
    print("| network | epochs | minutes | kNN | linear |\n|---|---|---|---|---|")
    for architecture in given.architectures:
        config = replace(
            PRESETS["cifar10"].config,
            architecture=architecture,
            epochs=given.epochs,
            batch_size=given.batch_size,
            knn_every=0,
            device=given.device,
        )
        if given.rehearse:
            config = cifar10.shortened(config)
        trained, train_set, test_set = cifar10.trained_and_embedded(
            given.folder, given.out / architecture, config
        )
        print(
            f"| {architecture} | {config.epochs} | {trained.seconds / 60:.1f} | "
            f"{cifar10.knn_accuracy(train_set, test_set):.1%} | "
            f"{cifar10.linear_accuracy(train_set, test_set):.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
