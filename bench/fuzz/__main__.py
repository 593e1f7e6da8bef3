"""Damaged pictures, requests, models, catalogues and weights, by the hundred thousand.

    python -m bench.fuzz [--pictures 100000] [--requests 30000] [--models 3000]
        [--catalogues 500] [--weights 3000] [--checkpoints 3000]

Every case is a good file or request with bytes flipped, cut out, repeated, or replaced by numbers
that lengths overflow at, from a seed that names it; one picture in twenty is of `bench.costly`,
made to cost much. Pictures may raise `ImageError`, all other files `ClrSearchError`, requests
may get any answer below 500. No picture may take more memory or time than honest ones of as many
pixels (`cases.allowed`). Each kind runs in a process of its own, whose crash is seen, under an
alarm of ten processor seconds a case; its memory is read after a quarter of the cases and at the
end, and on Linux at the peak of every case. Times are of the processor, of requests on the clock.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from bench.fuzz.requests import requests
from bench.fuzz.running import apart, work
from bench.machine import machine

COUNTS = {
    "pictures": 100_000,
    "requests": 30_000,
    "models": 3000,
    "catalogues": 500,
    "weights": 3000,
    "checkpoints": 3000,
}


def main() -> None:
    """Run all kinds and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work[0], int(given.work[1]), int(given.work[2]))
        return
    print(f"{machine()}\n")
    print(
        "| | cases | read all the same | refused | failed | slowest, s | most memory of a case, MB "
        "| most of what its pixels allow | memory after a quarter and at the end, MB |\n|---|"
        + "---|"
        * 8
    )
    failed = []
    for kind in COUNTS:
        count = getattr(given, kind)
        if not count:
            continue
        found = (requests if kind == "requests" else partial(apart, kind))(count, given.seed)
        failed += [f"{kind} {line}" for line in found.failed]
        print(found.row(kind, count), flush=True)
    print("\n".join(failed[:50]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
