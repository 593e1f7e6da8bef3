"""Keeping what is derived from the catalogue fit: FAISS generations, and what a search takes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import encoder_file
from clr_search.index.ann import generations, structures
from clr_search.index.ann.generations import DamagedError, Generation
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.catalog.catalog import Catalog
from clr_search.progress import Reporter

MOST_BESIDE = 5_000
"""Items newer than the generation, or gone from it, that are put up with in any collection; in a
large one a tenth, up to `EXACT_ITEMS`, which a scan beside FAISS takes milliseconds for."""


def goal_of(catalog: Catalog) -> Goal:
    """What the search structure has to reach; inside `reading`."""
    kept = catalog.facts().goal
    try:
        return Goal() if kept is None else Goal(**json.loads(kept))
    except (TypeError, ValueError) as error:
        raise ClrSearchError(
            f"{catalog.folder} has an unreadable entry on what its search has to reach ({error}).",
            "Build the collection anew: clr-search build-index",
        ) from error


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
        that_fit(catalog.count(), catalog.facts().dimension, goal)
        catalog.set_goal(json.dumps(asdict(goal)))


def settle(catalog: Catalog, reporter: Reporter) -> bool:
    """Publish the next generation where the last has fallen behind, or retire it.

    Where nothing fits into the memory any more, the last stays; it is said.

    Returns
    -------
    bool
        Whether search goes another way now, so that its latency has to be measured.
    """
    with catalog.reading():
        count, dimension = catalog.count(), catalog.facts().dimension
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
        facts, generation, count = catalog.facts(), generations.named(catalog), catalog.count()
    encoder_file.finish_change(catalog.folder, facts.encoder_sha256)
    generations.clean(catalog.folder, generation)
    if generation is None:
        return
    try:
        generations.check(catalog.folder, generation, facts.dimension)
    except DamagedError as error:
        reporter.message(f"{error.what} Making it anew from the catalogue.")
        if not _renew(catalog, generation, count, facts.dimension, reporter):
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
