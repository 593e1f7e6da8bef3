"""The options by which ``build-index`` is told what the search structure has to reach."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from clr_search.cli import options

_OPTIONS = (
    click.option(
        "--recall",
        type=options.Share(),
        help="Least recall@10 of a large collection's search structure; kept.  [default: 0.97]",
    ),
    click.option(
        "--memory",
        metavar="SIZE",
        type=options.Limit(),
        help="Most memory that the search structure may take, such as 2GB; kept, until "
        "--memory none.",
    ),
    click.option(
        "--graph/--no-graph",
        default=None,
        help="Search a large collection through a graph (HNSW): among a million pictures it "
        "answers in less than half the time, and is built four times as slowly; kept.  "
        "[default: no-graph]",
    ),
    click.option(
        "--serve",
        type=click.Choice(["single", "batch", "balanced", "auto"]),
        help="Make a large collection quick at one query at a time, at many at once, or at both, "
        "by whatever is measured to be the quickest within --memory; kept. The extra [fast] adds "
        "one kind.  [default: auto, structures of little memory]",
    ),
)


def goal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--recall``, ``--memory``, ``--graph`` and ``--serve``, in this order."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)
