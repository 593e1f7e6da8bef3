"""Keeping what is derived from the catalogue fit: FAISS generations, figures on quality."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from stat import S_ISREG

from clr_search.errors import UsageError
from clr_search.index import encoder_file
from clr_search.index.ann import generations, structures
from clr_search.index.ann.generations import DamagedError, Generation
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.tuning import Tried
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import IndexInfo
from clr_search.index.search.latency import Latency
from clr_search.progress import Reporter

MOST_BESIDE = 5_000
"""Items newer than the generation, or gone from it, that are put up with in any collection; in a
large one a tenth, up to `EXACT_ITEMS`, which a scan beside FAISS takes milliseconds for."""


def goal_of(catalog: Catalog) -> Goal:
    """What the search structure has to reach; inside `reading`."""
    kept = catalog.meta("goal")
    return Goal() if kept is None else Goal(**json.loads(kept))


def is_goal(kept: object) -> bool:
    """Whether this, out of a damaged catalogue, is a goal that `set_goal` has kept."""
    try:
        goal = Goal(**json.loads(kept)) if isinstance(kept, str) else None
        return goal is not None and 0 < goal.recall < 1 and (goal.memory is None or goal.memory > 0)
    except (TypeError, ValueError):
        return False


def set_goal(catalog: Catalog, goal: Goal) -> None:
    """Keep what the search structure has to reach, for all that come.

    Raises
    ------
    UsageError
        If the recall is no share, or nothing over the items there are now fits into the memory.
    """
    if not 0 < goal.recall < 1:
        raise UsageError(f"The recall is {goal.recall:g}; it must be between 0 and 1.")
    if goal.memory is not None and goal.memory < 1:
        raise UsageError(f"The memory is {goal.memory:,} bytes; it must be 1 or more.")
    with catalog.writing():
        that_fit(catalog.count(), int(catalog.meta("dimension")), goal)
        catalog.set_meta("goal", json.dumps(asdict(goal)))


def settle(catalog: Catalog, reporter: Reporter) -> bool:
    """Publish the next generation where the last has fallen behind, or retire it.

    Where nothing fits into the memory any more, the last stays; it is said.

    Returns
    -------
    bool
        Whether search goes another way now, so that its latency has to be measured.
    """
    with catalog.reading():
        count, dimension = catalog.count(), int(catalog.meta("dimension"))
        generation, goal = generations.named(catalog), goal_of(catalog)
        alive = 0 if generation is None else catalog.count(newest=generation.revision)
    if generation is not None and generation.goal == goal:
        behind = (count - alive) + (generation.count - alive)
        if behind <= min(max(MOST_BESIDE, count // 10), structures.EXACT_ITEMS):
            return False
    _renew(catalog, generation, count, dimension, reporter)
    with catalog.reading():
        return generations.named(catalog) != generation


def repair(catalog: Catalog, reporter: Reporter) -> None:
    """Finish what a killed writer left half done, and replace a damaged FAISS file."""
    with catalog.reading():
        sha256, generation = catalog.meta("encoder_sha256"), generations.named(catalog)
        count, dimension = catalog.count(), int(catalog.meta("dimension"))
    encoder_file.finish_change(catalog.folder, str(sha256))
    generations.clean(catalog.folder, generation)
    if generation is None:
        return
    try:
        generations.check(catalog.folder, generation, dimension)
    except DamagedError as error:
        reporter.message(f"{error.what} Making it anew from the catalogue.")
        if not _renew(catalog, generation, count, dimension, reporter):
            generations.retire(catalog)


def _renew(
    catalog: Catalog, last: Generation | None, count: int, dimension: int, reporter: Reporter
) -> bool:
    """Publish the next generation, or go back to exact search where the collection is small.

    False where nothing fits into the memory; then nothing is done.
    """
    with catalog.reading():
        goal = goal_of(catalog)
    try:
        fitting = that_fit(count, dimension, goal)
    except UsageError as error:  # no wrong use now: the collection has grown since it was given
        reporter.message(
            f"{error.what} {error.remedy} All is found nevertheless, but takes more memory or "
            "time. Give a higher limit, or none: clr-search build-index --memory none"
        )
        return False
    if fitting == [structures.Structure(0)]:
        if last is not None:
            generations.retire(catalog)
        return True
    reporter.message(f"Choosing and building a search structure over {count:,} items …")
    began = time.monotonic()
    made = generations.publish(catalog, goal)
    if made is None:
        return True
    reporter.message(
        f"Built in {time.monotonic() - began:.1f} s: {made.described}, "
        f"measured recall@10 {made.recall:.3f}."
    )
    if made.recall < goal.recall:
        reporter.message(
            f"That is less than the {goal.recall:g} asked for; nothing that fits reaches it."
        )
    return True


def keep_latency(catalog: Catalog, latency: Latency) -> None:
    """Keep the measured time of a search in the catalogue."""
    with catalog.writing():
        catalog.set_meta("latency_ms", latency.median)
        catalog.set_meta("latency_p99_ms", latency.p99)


def info(catalog: Catalog, generation: Generation | None) -> IndexInfo:
    """The collection at a glance; inside `reading`."""
    latency, slowest = catalog.meta("latency_ms"), catalog.meta("latency_p99_ms")
    count = catalog.count()
    alive = 0 if generation is None else catalog.count(newest=generation.revision)
    structure = "exact" if generation is None else generation.described
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
        recall_at_1=None if generation is None else generation.recall_at_1,
        latency_p99_ms=None if slowest is None else float(slowest),
        bytes_per_vector=None if generation is None else generation.bytes / generation.count,
        tried=() if generation is None else tuple(Tried(**one) for one in generation.tried),
        bytes_on_disk=sum(map(_size, catalog.folder.rglob("*"))),
    )


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:  # deleted by a writer meanwhile
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0
