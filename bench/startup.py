"""How long a person waits for a command: cold processes, wall time, median of several.

    python -m bench.startup flowers.clr flowers5/roses/some.jpg

Prints the time of ``clr-search --help`` and of ``clr-search search`` with a picture of the
collection and with one that is not in it (a re-encoded copy, so that the encoder runs), and whether
torch was imported.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from bench.machine import machine

TIMES = 7


def seconds(command: list[str]) -> float:
    """Median wall time of a command that must succeed."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def imports_torch(arguments: list[str]) -> bool:
    """Whether torch is among the modules after this command has run."""
    code = (
        "import sys\nfrom clr_search.cli.main import main\nsys.argv[1:] = " + repr(arguments) + "\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stderr.strip().endswith("True")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path)
    parser.add_argument("picture", type=Path, help="a picture of the collection")
    given = parser.parse_args()
    program = str(Path(sys.executable).with_name("clr-search"))
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "copy.png"
        with Image.open(given.picture) as picture:
            picture.convert("RGB").rotate(3).save(other)
        item = ["search", str(given.collection), str(given.picture)]
        new = ["search", str(given.collection), str(other)]
        print(machine(), "\n")
        print(f"| cold process, median of {TIMES} | seconds |\n|---|---|")
        for name, arguments in {
            "`clr-search --help`": ["--help"],
            "`clr-search search`, a picture of the collection": item,
            "`clr-search search`, another picture": new,
        }.items():
            print(f"| {name} | {seconds([program, *arguments]):.2f} |")
        print(f"\ntorch imported by search: {'yes' if imports_torch(new) else 'no'}")


if __name__ == "__main__":
    main()
