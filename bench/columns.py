"""How long the filter of ``--where`` takes among many pictures, by itself and within a search.

    python -m bench.columns --count 100000

A collection of random vectors has dates and cameras as if EXIF had told them, and two columns of
its own. Each condition is answered `--times` times by a filter that has kept nothing of the last
answer; the median and the slowest are told. The search asks for ten neighbours of an item; it is
told with the same condition and, beside it, with none. Columns that results show are timed, too.

A filter is the work of one thread and waits for nothing: what is told is its processor time, so
that it means the same while other programs run. Set OMP_NUM_THREADS=1 for that of a search.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from bench.machine import machine
from bench.made import clustered, write_tiny_encoder, write_vectors
from clr_search.images.metadata.exif import Exif
from clr_search.index import Filter, Index
from clr_search.index.catalog.columns import store

CONDITIONS = (
    "camera = 'X100'",
    "camera LIKE '%100%'",
    "taken >= '2024-05' AND taken < '2025'",
    "rating >= 4",
    "note IN ('a7', 'a8', 'a9')",
    "note GLOB 'a1*'",
    "path GLOB '*7.jpg'",
    "rating IS NULL",
    "NOT camera = 'X100'",
    "camera = 'X100' AND taken >= '2024-05' AND rating >= 3 AND bytes >= 0",
    "(camera = 'X100' OR rating = 5) AND NOT (note = 'a1' OR taken < '2020')",
)


def made(folder: Path, count: int) -> Path:
    """A collection whose pictures have EXIF, but one in five, and two columns, but one in ten."""
    encoder = write_tiny_encoder(folder / "tiny.onnx", dimension=16)
    collection = write_vectors(
        folder / "x.clr", clustered(count, 16), encoder, [f"{n}.jpg" for n in range(count)]
    )
    generator = np.random.default_rng(0)
    begin = datetime(2015, 1, 1)
    days = generator.integers(4000, size=count)
    cameras = [f"X{n}" for n in (generator.integers(1, 11, count) * 50).tolist()]
    with Index.open(collection, writable=True) as index:
        catalog = index._catalog
        read = (
            (n + 1, Exif(begin + timedelta(days=int(days[n])), cameras[n], 1.0, 2.0))
            if n % 5
            else (n + 1, Exif())
            for n in range(count)
        )
        with catalog.writing():
            store.put_exif(catalog, read)
        has = [n + 1 for n in range(count) if n % 10]
        index.give_columns(
            {
                "rating": dict(zip(has, generator.integers(1, 6, len(has)).tolist(), strict=True)),
                "note": {n: f"a{n % 1000}" for n in has},
            }
        )
    return collection


def times(work: Callable[[], object], count: int) -> tuple[float, float]:
    """The median and the longest of a call's milliseconds of processor time, after a first one."""
    work()
    spent = []
    for _ in range(count):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return statistics.median(spent), max(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    print(machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        Index.open(made(Path(folder), options.count)) as index,
    ):
        _table(index, options.times)


def _table(index: Index, count: int) -> None:
    """Prints the table."""
    told = f"milliseconds of processor time, the median of {count} (the slowest)"
    print(f"\n{len(index):,} pictures; {told}\n")
    print("| condition | pictures | filter | search of 10 |\n|---|---|---|---|")
    print(f"| none | {len(index):,} | | {_told(times(lambda: index.search(5), count))} |")
    for condition in CONDITIONS:
        where = Filter(where=condition)
        alone = times(partial(index.ids, where=where), count)

        def search(condition: str = condition) -> None:
            index._passing.__init__()  # type: ignore[misc]  # as if no search had asked it before
            index.search(5, where=condition)

        row = (len(index.ids(where=where)), _told(alone), _told(times(search, count)))
        print(f"| `{condition}` | {row[0]:,} | {row[1]} | {row[2]} |")
    shown = times(lambda: index.search(5, columns=("rating", "camera", "width")), count)
    print(f"| none; three columns are shown | {len(index):,} | | {_told(shown)} |")


def _told(spent: tuple[float, float]) -> str:
    """The median, and the longest in parentheses."""
    return f"{spent[0]:.1f} ({spent[1]:.1f})"


if __name__ == "__main__":
    main()
