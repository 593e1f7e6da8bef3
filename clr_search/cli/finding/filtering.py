"""Options that restrict a command to some pictures of a collection."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import click

from clr_search.cli import options

_DATE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
_DATE.name = "date"


class Ids(click.ParamType):  # type: ignore[type-arg]
    """Ids of items, separated by commas or spaces, or ``@FILE`` for a file that holds them.

    Examples
    --------
    >>> Ids().convert("3,17,25", None, None)
    (3, 17, 25)
    """

    name = "ids"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the ids, or fail with a message that names the right form."""
        text = str(value)
        if text.startswith("@"):
            try:
                text = Path(text[1:]).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self.fail(f"{text[1:]} cannot be read: {error}.", param, ctx)
        try:
            return tuple(int(number) for number in text.replace(",", " ").split())
        except ValueError:
            self.fail("ids are whole numbers, as in 3,17,25.", param, ctx)


class Names(click.ParamType):  # type: ignore[type-arg]
    """Names of columns, separated by commas; quotation marks keep a comma within a name.

    Examples
    --------
    >>> Names().convert('camera, "a,b"', None, None)
    ('camera', 'a,b')
    """

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names; there is at least one."""
        listed = next(csv.reader([str(value)], skipinitialspace=True), [])
        names = tuple(name.strip() for name in listed if name.strip())
        if not names:
            self.fail("columns are named as in camera,taken.", param, ctx)
        return names


def filter_options() -> options.Decorator[Any]:
    """Return a decorator that adds an option for each condition of an `index.Filter`.

    A command receives each option under the name of the condition, so that it can pass them all to
    ``Filter(**conditions)``.
    """
    listed = [
        click.option("--under", metavar="FOLDER", help="Only pictures below this folder."),
        click.option("--label", metavar="LABEL", help="Only pictures with this label."),
        click.option(
            "--glob",
            metavar="PATTERN",
            help="Only paths that end like this: 'IMG_*.jpg', '2024/*'.",
        ),
        click.option("--after", type=_DATE, help="Only pictures taken since: 2024-05-01."),
        click.option("--before", type=_DATE, help="Only pictures taken before."),
        click.option(
            "--min-side",
            type=options.COUNT,
            help="Only pictures at least so many px wide and high.",
        ),
        click.option("--max-side", type=options.COUNT, help="Only pictures no wider or no higher."),
        click.option(
            "--where",
            metavar="CONDITION",
            help="Only pictures whose columns are so: \"camera = 'X100' AND width > 2000\".",
        ),
        click.option("--ids", type=Ids(), help="Only these items: 3,17,25, or @FILE."),
    ]

    def decorate(function: options.AnyCallable) -> options.AnyCallable:
        for option in reversed(listed):
            function = option(function)
        return function

    return decorate
