"""The options by which ``build-index`` is told what the search structure has to reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from clr_search.cli import options

if TYPE_CHECKING:
    from clr_search.index import Index
    from clr_search.progress import Reporter

_Serve = Literal["single", "batch", "balanced", "auto"]

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
        type=click.Choice(get_args(_Serve)),
        help="Make a large collection quick at one query at a time, at many at once, or at both, "
        "by whatever is measured to be the quickest within --memory; kept. The extra [fast] adds "
        "one kind.  [default: auto, structures of little memory]",
    ),
    click.option(
        "--retune",
        is_flag=True,
        help="Choose and build the search structure anew, by measuring on this machine; after a "
        "move to another processor, or where the machine was busy when it was built.",
    ),
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What was given of the options of `goal_options`; None where nothing was; see `Index.aim`."""

    recall: float | None = None
    memory: float | None = None
    graph: bool | None = None
    serve: _Serve | None = None
    retune: bool = False

    def __bool__(self) -> bool:
        return self != Goal()

    def aim(self, index: Index) -> None:
        """Set the goals of a collection, where any were given."""
        if self:
            index.aim(recall=self.recall, memory=self.memory, graph=self.graph, serve=self.serve)

    def settle(self, index: Index, reporter: Reporter) -> None:
        """Choose the search structure anew, where that was asked for."""
        if self.retune:
            index.settle(reporter=reporter, retune=True)


def goal_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--recall``, ``--memory``, ``--graph``, ``--serve`` and ``--retune``.

    The command receives them together as `goal`, a `Goal`.
    """

    @wraps(function)
    def command(
        recall: float | None,
        memory: float | None,
        graph: bool | None,
        serve: _Serve | None,
        retune: bool,
        **values: Any,
    ) -> Any:
        return function(goal=Goal(recall, memory, graph, serve, retune), **values)

    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)
