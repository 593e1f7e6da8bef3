"""Many damaged cases in a process of its own: what became of them, and what the worst cost."""

from __future__ import annotations

import faulthandler
import gc
import json
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.fuzz.kinds import KINDS
from bench.machine import resident

SECONDS = 10
"""Seconds of the processor after which a case has failed, and ends its process."""

PATIENCE = 120
"""Seconds on the clock after which it has failed, too, as one that hangs."""


@dataclass(slots=True)
class Found:
    """What became of the cases of a kind.

    Attributes
    ----------
    read, refused : int
        Cases in which the file was read all the same, and cases with an error of ours.
    failed : list of str
        The number of each other case, with what came.
    slowest : float
        The most seconds of a case: of the processor, and for requests on the clock.
    most : float
        The most memory that a case took, in MB; 0 where that is not measured.
    share : float
        The most that a picture took of the memory or time which its pixels allow; 1 is all.
    before, after : float
        Memory of the process after a quarter of the cases and at the end, in MB.
    """

    read: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    most: float = 0.0
    share: float = 0.0
    before: float = 0.0
    after: float = 0.0

    def row(self, kind: str, count: int) -> str:
        """A row of the table."""
        share = f"{100 * self.share:.0f} %" if self.share else ""
        return (
            f"| {kind} | {count:,} | {self.read:,} | {self.refused:,} | {len(self.failed)} "
            f"| {self.slowest:.2f} | {self.most:.0f} | {share} "
            f"| {self.before:.0f}, {self.after:.0f} |"
        )


def apart(kind: str, count: int, seed: int) -> Found:
    """Run all cases of a kind in a process of its own, whose crash is seen."""
    command = [sys.executable, "-m", "bench.fuzz", "--work", kind, str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return Found(failed=[f"the process ended with {done.returncode}: {done.stderr[-600:]}"])
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def work(kind: str, count: int, seed: int) -> None:
    """Run all cases of a kind in this process, and print what became of them as JSON."""
    warnings.simplefilter("ignore")  # Pillow warns of odd tags
    faulthandler.enable()
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        case = KINDS[kind](Path(name))
        for number in range(count):
            if number == count // 4:
                gc.collect()
                found.before = resident()
            try:
                with _quick():
                    outcome = case(random.Random(f"{kind} {seed} {number}"))
            except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
                found.failed.append(f"{number}: {type(error).__name__}: {error}"[:300])
            else:
                found.read += outcome.read
                found.refused += not outcome.read
                found.share = max(found.share, outcome.share)
                found.slowest = max(found.slowest, outcome.seconds)
                found.most = max(found.most, outcome.memory)
    gc.collect()
    found.after = resident()
    print(json.dumps(asdict(found)))


@contextmanager
def _quick() -> Iterator[None]:
    """Let what takes too long end this process."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
