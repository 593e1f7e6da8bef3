"""Pictures packed into a few files, for a machine to which only so much can be carried at once.

    python -m bench.gpu.packed DATA --out packed
    python -m bench.gpu.packed DATA --out packed --sets cifar10 --each 4000

DATA holds `imagenette128` and `tinyimagenet`, as in `bench/default_encoder/make.py`, or the sets
that are named. Their pictures, at most `--each` of a folder, are stored as they are, uncompressed,
in as few ZIP files of at most 60 MiB as hold them.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bench.default_encoder.make import PHOTOS

MOST_BYTES = 60 * 2**20
"""Most bytes of a packed file."""

_ENTRY = 128  # bytes that a ZIP file spends on an entry, beside its name (twice) and its content


def pack(
    data: Path,
    sets: Sequence[str],
    out: Path,
    most_bytes: int = MOST_BYTES,
    each: int | None = None,
) -> list[Path]:
    """Store the pictures of some folders below `data` in ZIP files, in the order of their paths.

    Of each folder the first `each` by name are taken, or all.

    Returns
    -------
    list of Path
        The files, ``pictures0.zip`` and so on, each of at most `most_bytes`.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(file for name in sets for file in (data / name).rglob("*") if file.is_file())
    if each is not None:
        files = [
            file for _, group in groupby(files, lambda f: f.parent) for file in list(group)[:each]
        ]
    parts: list[list[Path]] = [[]]
    size = 0
    for file in files:
        cost = file.stat().st_size + _ENTRY + 2 * len(str(file.relative_to(data)).encode())
        if size + cost > most_bytes - 2**16 and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(file)
        size += cost
    written = []
    for number, part in enumerate(parts):
        target = out / f"pictures{number}.zip"
        with zipfile.ZipFile(target, "w", strict_timestamps=False) as archive:
            for file in part:
                archive.write(file, file.relative_to(data))
        written.append(target)
    return written


def unpack(packed: Path, out: Path) -> None:
    """Write the pictures of all ZIP files of a folder into another one, unless they are there."""
    archives = sorted(packed.glob("pictures*.zip"))
    if not archives:
        raise SystemExit(f"{packed} holds no pictures*.zip; see bench/gpu/README.md.")
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            if not all((out / name).exists() for name in archive.namelist()):
                archive.extractall(out)


def main() -> None:
    """Pack, and tell how large the files are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=PHOTOS)
    parser.add_argument("--each", type=int, help="most pictures of a folder")
    given = parser.parse_args()
    for path in pack(given.data, given.sets, given.out, each=given.each):
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
