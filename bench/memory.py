"""Memory of building an index over many pictures: it must not grow with their number.

    python -m bench.memory tinyimagenet/train [--encoder encoder.onnx]

Runs ``clr-search build-index`` on the folder, and reads its resident memory ten times a second with
the number of pictures that it has said are done. Prints the mean in each tenth of the embedding,
and the ratio of the last tenth to the second, in which all buffers are in use.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.machine import machine, resident

PARTS = 10


def followed(command: list[str]) -> tuple[list[tuple[int, float]], int]:
    """Pictures done and memory, in the course of the command; and how many there are."""
    terminal, inside = pty.openpty()  # so that progress is shown often
    process = subprocess.Popen(command, stdout=inside, stderr=inside, env=os.environ | WIDE)
    os.close(inside)
    os.set_blocking(terminal, False)
    found, done, total = [], 0, 0
    while process.poll() is None:
        try:
            shown = os.read(terminal, 1 << 16).decode("utf-8", "replace")
        except (BlockingIOError, OSError):
            shown = ""
        for match in re.finditer(r"([\d,]+)/([\d,]+)", shown):
            done, total = (int(number.replace(",", "")) for number in match.groups())
        if 0 < done < total:
            found.append((done, resident(process.pid)))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"build-index has failed with {process.returncode}.")
    return found, total


WIDE = {"COLUMNS": "160", "TERM": "xterm"}


def main() -> None:
    """Build, watch and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--encoder", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "clr_search", "build-index", str(given.images)]
        command += ["--index", str(Path(name) / "c.clr"), "--encoder", given.encoder]
        found, total = followed(command)
    done, memory = (np.array(column) for column in zip(*found, strict=True))
    means = [
        memory[(done * PARTS // total) == part].mean()
        for part in range(PARTS)
        if ((done * PARTS // total) == part).any()
    ]
    print(f"{machine()}\n")
    print(f"{total:,} pictures; resident memory in MB, by tenths of them:\n")
    print("| " + " | ".join(f"{10 * (part + 1)} %" for part in range(len(means))) + " |")
    print("|" + "---|" * len(means))
    print("| " + " | ".join(f"{mean:.0f}" for mean in means) + " |")
    print(f"\nThe last tenth to the second: {means[-1] / means[1]:.3f}.")


if __name__ == "__main__":
    main()
