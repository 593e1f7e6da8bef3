"""Options that say which files of a folder a command takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import options

if TYPE_CHECKING:
    from clr_search.files.finding.selection import Selection


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was given of the options of `selection_options`; None where nothing was.

    Attributes
    ----------
    exclude : tuple of str or None
        Patterns of ``--exclude``.
    follow_links, any_name : bool or None
        ``--follow-links`` and ``--any-name``.
    """

    exclude: tuple[str, ...] | None = None
    follow_links: bool | None = None
    any_name: bool | None = None

    @property
    def selection(self) -> Selection:
        """Which files are taken, where no collection says otherwise."""
        from clr_search.files.finding.selection import Selection, excluding

        return Selection(
            excluding(self.exclude or ()), bool(self.follow_links), bool(self.any_name)
        )

    def words(self) -> list[str]:
        """Return the options as they are given on a command line.

        Examples
        --------
        >>> Chosen(("raw",), follow_links=True, any_name=False).words()
        ['--exclude', 'raw', '--follow-links', '--no-any-name']
        """
        words = [word for pattern in self.exclude or () for word in ("--exclude", pattern)]
        for name, value in (("follow-links", self.follow_links), ("any-name", self.any_name)):
            if value is not None:
                words.append(f"--{name}" if value else f"--no-{name}")
        return words


def selection_options(*, kept: bool = False) -> options.Decorator[Any]:
    """Return a decorator that adds ``--exclude``, ``--follow-links`` and ``--any-name``.

    The command receives them together as `chosen`, a `Chosen`.

    Parameters
    ----------
    kept : bool
        Whether a collection keeps what is given, which the help then says.
    """
    end = "; kept" if kept else ""
    listed = [
        click.option(
            "--exclude",
            metavar="PATTERN",
            multiple=True,
            help="Leave out files and folders of such names, such as @eaDir or '*_small.jpg'; can "
            f"be repeated{end}. Some are left out at first: --exclude none takes them.",
        ),
        click.option(
            "--follow-links/--no-follow-links",
            default=None,
            help=f"Follow links that lead out of the folders{end}.  [default: no-follow-links]",
        ),
        click.option(
            "--any-name/--no-any-name",
            default=None,
            help="Take pictures by their content, whatever their names end in"
            f"{end}.  [default: no-any-name]",
        ),
    ]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(
            exclude: tuple[str, ...],
            follow_links: bool | None,
            any_name: bool | None,
            **values: Any,
        ) -> Any:
            return function(chosen=Chosen(exclude or None, follow_links, any_name), **values)

        decorated: Callable[..., Any] = command
        for option in reversed(listed):
            decorated = option(decorated)
        return decorated

    return decorate
