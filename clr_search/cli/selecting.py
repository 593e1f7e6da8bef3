"""Options that say which files of a folder a command takes."""

from __future__ import annotations

from typing import Any

import click

from clr_search.cli import options


def selection_options(*, kept: bool = False) -> options.Decorator[Any]:
    """Return a decorator that adds ``--exclude``, ``--follow-links`` and ``--any-name``.

    A command receives them as `exclude`, `follow_links` and `any_name`; None, or no pattern, where
    nothing is given.

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

    def decorate(function: options.AnyCallable) -> options.AnyCallable:
        for option in reversed(listed):
            function = option(function)
        return function

    return decorate
