"""Keeping what is derived from the catalogue fit: FAISS generations, figures on quality."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray

from clr_search.index import ann, embeddings, encoders, generations
from clr_search.index.catalog import Catalog
from clr_search.index.generations import DamagedError, Generation
from clr_search.index.memory import Memory
from clr_search.index.records import IndexInfo
from clr_search.progress import Reporter

MOST_BESIDE = 5_000
"""Items newer than the generation, or gone from it, that are put up with in any collection; in a
large one a tenth, up to `EXACT_ITEMS`, which a scan beside FAISS takes milliseconds for."""

_TIMED = 32


def settle(catalog: Catalog, reporter: Reporter) -> None:
    """Publish the next generation where the last has fallen behind, or retire it."""
    with catalog.reading():
        count, dimension = catalog.count(), int(catalog.meta("dimension"))
        generation = generations.named(catalog)
        alive = 0 if generation is None else catalog.count(newest=generation.revision)
    if generation is not None:
        behind = (count - alive) + (generation.count - alive)
        if behind <= min(max(MOST_BESIDE, count // 10), ann.EXACT_ITEMS):
            return
    _renew(catalog, generation, count, dimension, reporter)


def repair(catalog: Catalog, reporter: Reporter) -> None:
    """Finish what a killed writer left half done, and replace a damaged FAISS file."""
    with catalog.reading():
        sha256, generation = catalog.meta("encoder_sha256"), generations.named(catalog)
        count, dimension = catalog.count(), int(catalog.meta("dimension"))
    encoders.finish_change(catalog.folder, str(sha256))
    generations.clean(catalog.folder, generation)
    if generation is None:
        return
    try:
        generations.verified(catalog.folder, generation)
    except DamagedError as error:
        reporter.message(f"{error.what} Making it anew from the catalogue.")
        _renew(catalog, generation, count, dimension, reporter)


def _renew(
    catalog: Catalog, last: Generation | None, count: int, dimension: int, reporter: Reporter
) -> None:
    """Publish the next generation, or go back to exact search where the collection is small."""
    structure = ann.choose(count, dimension)
    if not structure.cells:
        if last is not None:
            generations.retire(catalog)
        return
    reporter.message(f"Building the search structure {structure} over {count:,} items …")
    began = time.monotonic()
    made = generations.publish(catalog, structure)
    reporter.message(
        f"Built {structure} in {time.monotonic() - began:.1f} s: {made.probes} probes, measured "
        f"recall@10 {made.recall:.3f}."
    )


def time_searches(
    held: Memory,
    catalog: Catalog,
    count: int,
    search: Callable[[NDArray[np.float32], int], object],
) -> list[float]:
    """Seconds that searches from `count` items spread over the collection took, one by one."""
    ids = embeddings.ids(catalog)
    chosen = ids[np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(np.int64)]
    seconds = []
    for number, vector in zip(
        *embeddings.of(catalog, chosen.tolist(), held.dimension), strict=True
    ):
        if not vector.any():
            continue
        began = time.perf_counter()
        search(vector, int(number))
        seconds.append(time.perf_counter() - began)
    return seconds


def measure_latency(catalog: Catalog, timed: Callable[[int], list[float]]) -> None:
    """Store the median time of a search; the first few, which warm the caches, do not count."""
    seconds = timed(_TIMED)[_TIMED // 8 :]
    with catalog.writing():
        median = statistics.median(seconds) * 1e3 if seconds else None
        catalog.set_meta("latency_ms", median)


def info(catalog: Catalog, generation: Generation | None) -> IndexInfo:
    """The collection at a glance; inside `reading`."""
    latency = catalog.meta("latency_ms")
    count = catalog.count()
    alive = 0 if generation is None else catalog.count(newest=generation.revision)
    structure = "exact"
    if generation is not None:
        structure = f"{generation.structure}, {generation.probes} probes"
    return IndexInfo(
        path=catalog.folder,
        count=count,
        skipped=len(catalog.skipped()),
        dimension=int(catalog.meta("dimension")),
        encoder_name=str(catalog.meta("encoder_name")),
        encoder_sha256=str(catalog.meta("encoder_sha256")),
        roots=tuple(Path(root.path) for root in catalog.roots()),
        structure=structure,
        generation=None if generation is None else generation.number,
        beside=0 if generation is None else count - alive,
        recall=None if generation is None else generation.recall,
        latency_ms=None if latency is None else float(latency),
        bytes_on_disk=sum(map(_size, catalog.folder.rglob("*"))),
    )


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:  # deleted by a writer meanwhile
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0
