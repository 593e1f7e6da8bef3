r"""A student of a teacher against SimCLR alone: the same start, the same time, no labels used.

    python -m bench.distil clothing flowers5 imagenette128/train:imagenette128/val \
        --teacher lite0.onnx --out DIR [--minutes 15] [--weight 1]

Each set is TRAIN or TRAIN:TEST, folders of folders. Both trainings are what a user would type:

    clr-search train TRAIN --preset photos-small --teacher lite0.onnx --minutes 15 --out RUN
    clr-search train TRAIN --preset photos-small --minutes M --out RUN

M is all the time that the first command took, with decoding and the pass of the teacher over all
pictures, so that SimCLR alone has rather more time than the student. Both begin with the same
random weights. Scores are R@1 on TEST in per cent, the share of pictures whose nearest other
picture lies in the same folder: by h as it is, and whitened on TRAIN. The teacher stands beside
them. Started again with the same DIR, it goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.machine import machine
from clr_search.contract.shipped import encoder_named
from clr_search.evaluate.compare import embeddings
from clr_search.evaluate.retrieval import leave_one_out
from clr_search.files.find import find_images
from clr_search.files.write import write_atomically
from clr_search.progress import for_terminal


def command(*words: object) -> None:
    """Run one of ours."""
    ours = [sys.executable, "-m", "clr_search", *map(str, words)]
    subprocess.run(ours, check=True, stdout=sys.stderr)


def recall(test: Path, encoder: Path) -> float:
    """R@1 of an encoder, in per cent."""
    files = [file for file in find_images([test]) if file.label is not None]
    return 100 * leave_one_out(*embeddings(files, "", encoder, for_terminal())).recall_at_1


def trained(
    train: Path, test: Path, folder: Path, seconds: float, more: tuple[object, ...]
) -> dict[str, float]:
    """One training, exported both ways and scored; what an earlier start has done stays done."""
    done = folder / "scores.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        at = ("--preset", "photos-small", "--minutes", seconds / 60)
        command("train", train, "--out", folder / "run", *at, *more)
        found = {"seconds": time.monotonic() - began}
        for name, whitening in (("h", ()), ("whitened", ("--whiten", train))):
            encoder = folder / f"{name}.onnx"
            command("export", folder / "run", "--out", encoder, *whitening)
            found[name] = recall(test, encoder)
        write_atomically(done, json.dumps(found).encode())
    stored: dict[str, float] = json.loads(done.read_text())
    return stored


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="TRAIN[:TEST]", help="folders of folders")
    parser.add_argument("--teacher", required=True, help="an encoder.onnx, or default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--weight", type=float, action="append", help="of the teacher; several")
    given = parser.parse_args()
    teacher = encoder_named(given.teacher)
    print(f"{machine()}\n")
    print("| set | trained | in all, s | R@1 of h | whitened |\n|---|---|---|---|---|")
    for named in given.sets:
        train, test = (Path(part) for part in (named.split(":") * 2)[:2])
        name = "-".join(train.parts[-2:]) if ":" in named else train.name
        longest = 60 * given.minutes
        for weight in given.weight or [1.0]:
            more = ("--teacher", teacher, "--teacher-weight", weight)
            folder = given.out / f"{name}-{weight:g}"
            found = trained(train, test, folder, 60 * given.minutes, more)
            longest = max(longest, found["seconds"])
            row(name, f"by the teacher, weight {weight:g}", found)
        found = trained(train, test, given.out / f"{name}-alone", longest, ())
        row(name, "by SimCLR alone", found)
        print(f"| {name} | the teacher itself | | {recall(test, teacher):.1f} | |", flush=True)


def row(name: str, how: str, found: dict[str, float]) -> None:
    """Print a row of the table."""
    scores = f"{found['h']:.1f} | {found['whitened']:.1f}"
    print(f"| {name} | {how} | {found['seconds']:,.0f} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
