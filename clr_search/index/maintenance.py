"""Keeps the FAISS generation of a collection up to date with its catalogue and its goal."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, replace
from typing import Literal, get_args

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.index import encoder_file
from clr_search.index.ann import generations, structures
from clr_search.index.ann.generations import DamagedError, Generation
from clr_search.index.ann.goal import Goal, Serve, that_fit
from clr_search.index.catalog.catalog import Catalog
from clr_search.progress import Reporter

MOST_BESIDE = 5_000
"""Items added or removed since the last generation that are tolerated in any collection. In a large
one a tenth is, up to `EXACT_ITEMS`: they are scanned beside FAISS, which takes milliseconds."""


def goal_of(catalog: Catalog) -> Goal:
    """Returns the goal of the search structure; the caller is inside `Catalog.reading`.

    Raises
    ------
    ClrSearchError
        If the stored goal cannot be read.
    """
    stored = catalog.facts().goal
    try:
        return Goal() if stored is None else Goal(**checked_fields(parse_object(stored), Goal))
    except (TypeError, ValueError) as error:
        raise ClrSearchError(
            f"{catalog.folder} has an unreadable entry on what its search has to reach ({error}).",
            "Build the collection anew: clr-search build-index",
        ) from error


def is_goal(kept: object) -> bool:
    """Returns whether a value from a damaged catalogue is a goal that `set_goal` can have stored.

    Examples
    --------
    >>> is_goal('{"recall": 0.9}'), is_goal('{"recall": 9}'), is_goal(None)
    (True, False, False)
    """
    try:
        if not isinstance(kept, str):
            return False
        goal = Goal(**checked_fields(parse_object(kept), Goal))
        return 0 < goal.recall < 1 and (goal.memory is None or goal.memory > 0)
    except (TypeError, ValueError):
        return False


def revise_goal(
    catalog: Catalog,
    recall: float | None,
    memory: float | None,
    graph: bool | None,
    serve: Serve | Literal["auto"] | None = None,
) -> None:
    """Stores the goal that this search structure and all later ones have to reach.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, open for writing.
    recall, memory, graph, serve : float, float, bool and str, or None
        What `Index.aim` takes; None for what stays as it was.

    Raises
    ------
    UsageError
        If the recall is not in (0, 1), the memory is less than a byte, no structure over the
        present items fits into it, or `serve` is given with a graph.
    """
    _require_folder(catalog, memory, graph, serve)
    with catalog.reading():
        goal = goal_of(catalog)
    if recall is not None:
        goal = replace(goal, recall=recall)
    if memory is not None:
        if math.isnan(memory):
            raise UsageError("The memory is no number.", "Give bytes, or math.inf.")
        goal = replace(goal, memory=None if memory == math.inf else int(memory))
    if graph is not None:
        goal = replace(goal, graph=graph)
    if serve is not None:
        if serve not in ("auto", *get_args(Serve)):
            raise UsageError(f"serve is {serve!r}.", "Give single, batch, balanced or auto.")
        goal = replace(goal, serve=None if serve == "auto" else serve)
    if goal.graph and goal.serve:
        raise UsageError(
            f"The structure cannot be a graph in any case and the quickest for {goal.serve!r}.",
            "Leave out one of the two: --no-graph, or --serve auto.",
        )
    if not 0 < goal.recall < 1:
        raise UsageError(f"The recall is {goal.recall:g}; it must be between 0 and 1.")
    if goal.memory is not None and goal.memory < 1:
        raise UsageError(f"The memory is {goal.memory:,} bytes; it must be 1 or more.")
    with catalog.writing():
        _refuse_too_large(catalog, goal)
        catalog.set_goal(json.dumps(asdict(goal)))


def _require_folder(catalog: Catalog, *goals: object) -> None:
    """Refuses goals that only a structure in a folder can have, of a collection on a server."""
    if catalog.remote is not None and any(goal is not None for goal in goals):
        catalog.remote.refuse(
            "A limit of memory, or a kind of search structure,",
            "Milvus chooses what it keeps in memory; --recall is measured there, too.",
        )


def _refuse_too_large(catalog: Catalog, goal: Goal) -> None:
    """Refuses a goal that nothing over the present items can reach; a server has its own memory."""
    if catalog.remote is None:
        that_fit(catalog.count(), catalog.facts().dimension, goal)


def settle(catalog: Catalog, reporter: Reporter, *, retune: bool = False) -> bool:
    """Publishes the next generation where the last has fallen behind, or retires it.

    With `retune` it is chosen and published anew in any case.

    Where no structure fits into the memory any more, the last stays, and the reporter gets a
    message.

    Returns
    -------
    bool
        Whether another generation, or none, is in use now, so that latency has to be measured.
    """
    _require_folder(catalog, retune or None)
    if catalog.remote is not None:
        with catalog.reading():
            goal = goal_of(catalog) if catalog.facts().goal is not None else None
        return catalog.remote.settle(catalog, None if goal is None else goal.recall, reporter)
    with catalog.reading():
        count, dimension = catalog.count(), catalog.facts().dimension
        generation, goal = generations.named(catalog), goal_of(catalog)
        alive = 0 if generation is None else catalog.count(newest=generation.revision)
    if generation is not None and generation.goal == goal and not retune:
        behind = (count - alive) + (generation.count - alive)
        if behind <= min(max(MOST_BESIDE, count // 10), structures.EXACT_ITEMS):
            return False
    _renew(catalog, generation, count, dimension, reporter, retune=retune)
    with catalog.reading():
        return generations.named(catalog) != generation


def repair(catalog: Catalog, reporter: Reporter) -> None:
    """Finishes what a killed writer has left half done, and replaces a damaged FAISS file."""
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
    catalog: Catalog,
    last: Generation | None,
    count: int,
    dimension: int,
    reporter: Reporter,
    *,
    retune: bool = False,
) -> bool:
    """Publishes the next generation, or goes back to exact search where the collection is small.

    Returns False, and changes nothing, where no structure fits into the memory.
    """
    with catalog.reading():
        goal = goal_of(catalog)
    try:
        fitting = that_fit(count, dimension, goal)
    except UsageError as error:  # the collection has outgrown a limit that was right when set
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
    published = generations.publish(catalog, goal, retune=retune)
    if published is None:
        return True
    reporter.message(
        f"Built in {time.monotonic() - began:.1f} s: {published.described}, "
        f"measured recall@10 {published.recall:.3f}."
    )
    if published.recall < goal.recall:
        reporter.message(
            f"That is less than the {goal.recall:g} asked for; nothing that fits reaches it."
        )
    return True
