"""The paper's four insights at a scale that a processor cannot reach, in ten minutes of a GPU.

    python -m bench.gpu.packed DATA --out packed --sets cifar10 --each 4000
    python -m bench.gpu.insights packed --out insights --minutes 9.5

40,000 pictures of CIFAR-10 (one file of 50 MiB, which is why not 50,000), a ResNet-18 of full width
in bf16, and the cells that the four insights need, as `clr-search study insights` has them. It
times a few steps of each kind first and chooses three lengths, each four times the one before, such
that all fits into the time; short ones come first, so that what is cut off is the longest. Results,
and the checkpoints of what was cut off, stay in `--out`: the same command goes on with the same
lengths. `--jobs` trainings share the GPU, which a small network does not fill. `--rehearse` does it
with 300 pictures and a network of a quarter of the width, in a minute of a processor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.gpu import packed, smoke
from bench.machine import machine
from clr_search.files.write import write_atomically
from clr_search.progress import for_terminal
from clr_search.train.study import cost, design, workers
from clr_search.train.study.experiment import Experiment
from clr_search.train.study.pictures import Pictures, find_pictures
from clr_search.train.study.report.effects import gathered
from clr_search.train.study.report.page import findings, write_page
from clr_search.train.study.scope import SCOPE, Scope
from clr_search.train.study.store import Store

EXPERIMENTS = ("augmentation", "head", "temperature", "batch")
"""The four insights; `colour` and `size` may be named as well."""

_STEPS = 4  # each length is so many times the one before
_LENGTHS = 3
_PLANNED = 0.9  # of the time is planned with
_CLOSING = 20.0  # seconds for the report


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes
    ----------
    out : Path
        The folder of the study.
    experiments : sequence of str
        Names of experiments.
    width : float
        Of the network.
    batch_size : int
        Of the usual cell.
    seeds : int
        Trainings of each cell and length.
    device : str
        A device name of torch.
    jobs : int
        Trainings at a time.
    until : float
        When to end, as `time.monotonic` counts.
    """

    out: Path
    experiments: Sequence[str]
    width: float
    batch_size: int
    seeds: int
    device: str
    jobs: int
    until: float

    @property
    def left(self) -> float:
        """Seconds for trainings that are left."""
        return self.until - time.monotonic() - _CLOSING

    def scope(self, pictures: Pictures, lengths: tuple[int, ...]) -> Scope:
        """What the trainings have in common."""
        return Scope(
            pictures_sha256=pictures.sha256,
            images=len(pictures.train),
            tested=len(pictures.test),
            classes=len(pictures.train.classes),
            image_size=32,
            width=self.width,
            batch_size=self.batch_size,
            lengths=lengths,
            seeds=self.seeds,
            command=f"python -m bench.gpu.insights packed --out {self.out.name}",
        )

    def designs(self, scope: Scope) -> tuple[Experiment, ...]:
        """The experiments, with the cells of the four insights; on a GPU in bf16."""
        base = scope.base(self.device)
        if torch.device(self.device).type == "cuda":
            base = replace(base, precision="bf16", checkpoint_minutes=0.5)
        return design.chosen(tuple(self.experiments), base, core=True)

    def planned(self, pictures: Pictures) -> Scope:
        """The scope of an earlier start, or one whose lengths fit into the time that is left."""
        path = self.out / SCOPE
        if path.exists():
            return Scope.from_json(path.read_text("utf-8"), str(path))
        one = self.scope(pictures, (1,))
        trainings = one.trainings(self.designs(one))
        prices = cost.costs(trainings, pictures, 1)
        epoch = sum(len(pictures.train) / price.rate for price in prices)
        measuring = sum(price.seconds for price in prices) - epoch
        scope = self.scope(pictures, lengths_within(_PLANNED * self.left, epoch, measuring))
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomically(path, scope.to_json())
        return scope

    def run(self, pictures: Pictures) -> bool:
        """Train what has no result, write and print what was found; whether all is done."""
        scope = self.planned(pictures)
        print(f"Lengths: {', '.join(map(str, scope.lengths))} epochs.\n", flush=True)
        experiments = self.designs(scope)
        trainings = scope.trainings(experiments)
        outcome = workers.work(
            trainings,
            pictures,
            self.out,
            jobs=self.jobs,
            hours=max(self.left, 0.0) / 3600,
            reporter=for_terminal(),
        )
        store = Store(self.out)
        for experiment in experiments:
            results = gathered(experiment, scope, store)
            if results:
                write_page(experiment, results, scope, self.out)
                print(f"\n### {experiment.title}\n")
                print("\n".join(findings(experiment.claims, results, scope.tested)), flush=True)
        print(f"\n{outcome.done} of {len(trainings)} trainings are done.", flush=True)
        return outcome.done == len(trainings)


def lengths_within(seconds: float, epoch: float, measuring: float) -> tuple[int, ...]:
    """Lengths that all trainings fit into a time with.

    Parameters
    ----------
    seconds : float
        The time.
    epoch, measuring : float
        Seconds that one epoch of every training takes, and measuring all of them once.

    Examples
    --------
    >>> lengths_within(500, epoch=5.0, measuring=20.0)  # 3 · 20 s, and 84 epochs of 5 s
    (4, 16, 64)
    """
    every = sum(_STEPS**power for power in range(_LENGTHS))
    shortest = max(1, int((seconds - _LENGTHS * measuring) / epoch / every))
    return tuple(shortest * _STEPS**power for power in range(_LENGTHS))


def main() -> None:
    """Unpack, train, measure and print."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packed", type=Path, help="folder of pictures*.zip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, default=Path("pictures"), help="unpacked here")
    parser.add_argument("--minutes", type=float, default=9.5, help="for all of it")
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    print(machine(), "\n", flush=True)
    smoke.require(given.device)
    packed.unpack(given.packed, given.pictures)
    folder = given.pictures / "cifar10"
    pictures = find_pictures(
        [folder / "train"], [folder / "test"], limit=300 if given.rehearse else 40_000, side=32
    )
    job = Job(
        out=given.out,
        experiments=given.experiments,
        width=0.25 if given.rehearse else 1.0,
        batch_size=64 if given.rehearse else 512,
        seeds=given.seeds,
        device=given.device,
        jobs=given.jobs,
        until=began + 60 * given.minutes,
    )
    if not job.run(pictures):
        raise SystemExit("the time is over; the same command goes on from there")


if __name__ == "__main__":
    main()
