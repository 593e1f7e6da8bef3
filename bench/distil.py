r"""A student of a teacher against SimCLR alone: the same start, the same time, no labels used.

    python -m bench.distil clothing flowers5 imagenette128/train:imagenette128/val \
        --teacher lite0.onnx --out DIR [--minutes 30] [--weight 1]

Each set is TRAIN or TRAIN:TEST, folders of folders. Both trainings are what a user would type:

    clr-search train TRAIN --preset photos-small --teacher lite0.onnx --minutes 30 --out RUN
    clr-search train TRAIN --preset photos-small --minutes M --out RUN

They run at the same time, each on half of the cores, so that whatever else the machine does costs
both alike; 30 minutes on half of the cores are what 15 are on all. M has the time beside, measured
before, in which the teacher embeds the pictures of TRAIN: SimCLR alone does not need it. Both begin
with the same random weights. Scores are R@1 on TEST in per cent, the share of pictures whose
nearest other picture lies in the same folder: by h as it is, and whitened on TRAIN. The teacher
stands beside them. Started again with the same DIR, it goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.machine import machine
from clr_search.contract.shipped import encoder_named
from clr_search.cores import usable_cores
from clr_search.evaluate.compare import embeddings
from clr_search.evaluate.retrieval import leave_one_out
from clr_search.files.finding.find import find_images
from clr_search.files.write import write_atomically
from clr_search.progress import Silent

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def use_half_of_the_cores(half: int) -> None:
    """Keep this thread, and what it starts, on the first or the second half of the cores."""
    middle = len(_CORES) // 2
    if _CORES:  # elsewhere than on Linux, the system decides
        os.sched_setaffinity(0, _CORES[middle:] if half else _CORES[:middle])


def command(*words: object) -> None:
    """Run one of ours."""
    ours = [sys.executable, "-m", "clr_search", *map(str, words)]
    subprocess.run(ours, check=True, stdout=sys.stderr)


def recall(test: Path, encoder: Path) -> float:
    """R@1 of an encoder, in per cent."""
    files = [file for file in find_images([test]) if file.label is not None]
    return 100 * leave_one_out(*embeddings(files, "", encoder, Silent())).recall_at_1


def seconds_to_embed(train: Path, teacher: Path) -> float:
    """How long the teacher takes for the pictures that are trained on."""
    use_half_of_the_cores(0)
    began = time.monotonic()
    embeddings(find_images([train]), "", teacher, Silent())
    return time.monotonic() - began


def trained(
    half: int, train: Path, test: Path, folder: Path, seconds: float, more: Iterable[object]
) -> dict[str, float]:
    """One training, exported both ways and scored; what an earlier start has done stays done."""
    use_half_of_the_cores(half)
    done = folder / "scores.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        at = ("--preset", "photos-small", "--minutes", seconds / 60)
        command("train", train, "--out", folder / "run", *at, *more)
        found = {"seconds": time.monotonic() - began}
        for name, whitening in (("h", ()), ("whitened", ("--whiten", train))):
            encoder = folder / name / "encoder.onnx"
            encoder.parent.mkdir()
            command("export", folder / "run", "--out", encoder, *whitening)
            found[name] = recall(test, encoder)
        write_atomically(done, json.dumps(found).encode())
    stored: dict[str, float] = json.loads(done.read_text())
    return stored


def compared(
    train: Path, test: Path, folder: Path, teacher: Path, seconds: float, weight: float
) -> dict[str, dict[str, float]]:
    """The student and SimCLR alone, trained at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "teacher.json"
    with ThreadPoolExecutor(2) as pool:
        if not noted.exists():
            took = pool.submit(seconds_to_embed, train, teacher).result()
            write_atomically(noted, json.dumps(took).encode())
        longer = seconds + float(json.loads(noted.read_text()))
        taught = ("--teacher", teacher, "--teacher-weight", weight)
        running = {
            f"by the teacher, weight {weight:g}": pool.submit(
                trained, 0, train, test, folder / "taught", seconds, taught
            ),
            "by SimCLR alone": pool.submit(trained, 1, train, test, folder / "alone", longer, ()),
        }
        return {how: found.result() for how, found in running.items()}


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="TRAIN[:TEST]", help="folders of folders")
    parser.add_argument("--teacher", required=True, help="an encoder.onnx, or default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--weight", type=float, default=1.0, help="of the teacher's loss")
    given = parser.parse_args()
    if usable_cores() < 2:
        parser.error("two trainings at the same time need two cores")
    teacher = encoder_named(given.teacher)
    print(f"{machine()}\n")
    print("| set | trained | in all, s | R@1 of h | whitened |\n|---|---|---|---|---|")
    for named in given.sets:
        train, test = (Path(part) for part in (named.split(":") * 2)[:2])
        name = "-".join(train.parts[-2:]) if ":" in named else train.name
        folder = given.out / f"{name}-{given.weight:g}"
        both = compared(train, test, folder, teacher, 60 * given.minutes, given.weight)
        for how, found in both.items():
            scores = f"{found['h']:.1f} | {found['whitened']:.1f}"
            print(f"| {name} | {how} | {found['seconds']:,.0f} | {scores} |", flush=True)
        print(f"| {name} | the teacher itself | | {recall(test, teacher):.1f} | |", flush=True)


if __name__ == "__main__":
    main()
