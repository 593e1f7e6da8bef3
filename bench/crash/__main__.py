"""Writers killed at every failpoint, as by kill -9 and as by a power cut, and at random instants.

    python -m bench.crash [--random 100] [--every 1] [--seed 0] [--only TEXT]

Every command that writes to a collection is killed at work on a small one (`operations`), and those
that make a search structure also with each kind of them. After each kill the catalogue must be in
a state that the uninterrupted operation went through, no earlier than the last acknowledged commit;
every item must find itself; and the operation, run again, must end as if nothing had happened, with
nothing left over. `harness` says how, `failpoints` where.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from bench.crash.harness import Writers, crash, prepare
from bench.crash.operations import KINDS, OPERATIONS, WITH_KINDS
from bench.machine import machine
from clr_search.progress import for_terminal

SCENARIOS = [
    *((operation, None) for operation in OPERATIONS),
    *((operation, kind) for operation in WITH_KINDS for kind in KINDS),
]
"""Every operation, and those that make a search structure with each kind."""


def main() -> None:
    """Kill, check, count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--random", type=int, default=100, help="kills at random instants")
    parser.add_argument("--every", type=int, default=1, help="of so many failpoints, one")
    parser.add_argument("--only", default="", help="scenarios whose names have this text")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance, reporter, began = random.Random(given.seed), for_terminal(), time.monotonic()
    print(f"{machine()}\n")
    print("| | failpoints | killed | power cuts | at random instants |\n|---|---|---|---|---|")
    total = 0
    with tempfile.TemporaryDirectory() as there, Writers() as writers:
        folder = Path(there)
        for operation, kind in SCENARIOS:
            name = f"{operation}, {kind}" if kind else operation
            if given.only not in name:
                continue
            here = folder / name
            here.mkdir()
            began_whole = time.monotonic()
            scenario = prepare(operation, here, writers, kind)
            usual = (time.monotonic() - began_whole) / 2
            points, often = len(scenario.failpoints), given.random // len(SCENARIOS)
            tried = range(chance.randrange(given.every), points, given.every)
            with reporter.task(name.capitalize(), 2 * len(tried) + often, "kills"):
                counts = [0, 0, 0]
                for power in (False, True):
                    for deadly in tried:
                        counts[power] += crash(scenario, here, writers, deadly=deadly, power=power)
                        reporter.advance()
                for _ in range(often):
                    seconds = chance.uniform(0, usual)
                    counts[2] += crash(scenario, here, writers, seconds=seconds)
                    reporter.advance()
            total += sum(counts)
            print(f"| {name} | {points} | {counts[0]} | {counts[1]} | {counts[2]} |", flush=True)
    print(
        f"\n{total:,} kills in {time.monotonic() - began:,.0f} s; after every one the collection "
        "was in a state that the uninterrupted operation went through, served every item, and was "
        "finished by the next run."
    )


if __name__ == "__main__":
    main()
