"""What training on brings to the shipped encoder: before and after, three domains, three seeds.

    python -m bench.adapting --out DIR flowers5 [--epochs 21] [--seeds 3]

Each cell is what a user would type, no label used:

    clr-search train PICTURES --init default --image-size 64 --epochs 21 --seed N --out RUN
    clr-search export RUN --image-size 96 --whiten PICTURES --out encoder.onnx

scored by leave-one-out retrieval and classification with the folders as labels, beside the encoder
as it ships. Besides the folders that are given:
handwritten digits, the 1,797 of scikit-learn (UCI), of 8 × 8 pixels, and the fabrics that
`clr-search demo` draws. Started again with the same DIR, it goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench.machine import machine
from clr_search.contract.shipped import encoder_named
from clr_search.demo.swatches import write_collection
from clr_search.evaluate.compare import embeddings, score
from clr_search.files.finding.find import find_images
from clr_search.files.write import write_atomically
from clr_search.progress import for_terminal

SHOWN = {
    "recall_at_1": "R@1",
    "precision_at_10": "P@10",
    "mean_average_precision": "mAP",
    "knn_accuracy": "kNN",
    "probe_accuracy": "linear probe",
}


def digits(folder: Path) -> Path:
    """scikit-learn's digits as files of 32 × 32 pixels, a folder for each."""
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray((pixels * 255 / 16).round().astype(np.uint8))
        grey.resize((32, 32), Image.Resampling.BICUBIC).save(path)
    return folder


def command(*words: object) -> None:
    """Run one of ours."""
    ours = [sys.executable, "-m", "clr_search", *map(str, words)]
    subprocess.run(ours, check=True, stdout=sys.stderr)


def scores(pictures: Path, encoder: Path) -> dict[str, float]:
    """Of an encoder, in per cent."""
    files = [file for file in find_images([pictures]) if file.label is not None]
    row = asdict(score("", *embeddings(files, "", encoder, for_terminal())))
    return {name: 100 * row[name] for name in SHOWN}


def cell(pictures: Path, folder: Path, epochs: int, seed: int) -> dict[str, float]:
    """One training, exported and scored; what an earlier start has done stays done."""
    done = folder / "scores.json"
    if not done.exists():
        run = folder / "run"
        at = ("--init", "default", "--image-size", 64, "--epochs", epochs, "--seed", seed)
        if (run / "checkpoints").exists():
            command("train", pictures, "--out", run, "--resume")
        else:
            command("train", pictures, "--out", run, *at)
        sizes = ("--image-size", 96, "--whiten", pictures, "--force")
        command("export", run, "--out", folder / "encoder.onnx", *sizes)
        found = scores(pictures, folder / "encoder.onnx")
        write_atomically(done, json.dumps(found).encode())
    found_before: dict[str, float] = json.loads(done.read_text())
    return found_before


def rows_of(
    pictures: Path, folder: Path, epochs: int, seeds: Sequence[int]
) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Name and scores, one dict a seed, of each stage."""
    yield "as it ships", [scores(pictures, encoder_named("default"))]
    cells = [cell(pictures, folder / str(seed), epochs, seed) for seed in seeds]
    yield f"trained on for {epochs} epochs", cells


def line(name: str, found: list[dict[str, float]], before: dict[str, float] | None) -> str:
    """A row of the table."""
    cells = []
    for key in SHOWN:
        values = np.array([one[key] for one in found])
        text = f"{values.mean():.1f}"
        if before is not None:
            text += f" ± {values.std(ddof=1):.1f} ({values.mean() - before[key]:+.1f})"
        cells.append(text)
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="*", help="folders of folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=21)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    out, reporter = given.out, for_terminal()
    domains = {
        **{path.name: path for path in given.images},
        "fabrics": write_collection(out / "fabrics", each=32, seed=0, reporter=reporter),
        "handwritten digits": digits(out / "digits"),
    }
    print(f"{machine()}\n")
    print("| | " + " | ".join(SHOWN.values()) + " |\n|---|" + "---|" * len(SHOWN))
    for name, pictures in domains.items():
        before = None
        for stage, found in rows_of(
            pictures, out / f"runs-{name.replace(' ', '-')}", given.epochs, range(given.seeds)
        ):
            print(line(f"{name}, {stage}", found, before), flush=True)
            before = before or found[0]


if __name__ == "__main__":
    main()
