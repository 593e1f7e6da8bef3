"""What the commands share: their class, their options, their parameter types."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

from clr_search.contract.shipped import encoder_named

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])
Decorator = Callable[[AnyCallable], AnyCallable]

PATH = click.Path(path_type=Path)
"""A path that a stage checks, with a message on how to make what is missing."""

EXISTING = click.Path(exists=True, readable=False, path_type=Path)
"""A file or folder of the user's; one that may not be read is reported as it is met."""

EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=False, path_type=Path)
"""A file of the user's."""


class WholeNumber(click.ParamType):  # type: ignore[type-arg]  # generic since 8.3 only
    """A whole number from `least` up; as click's IntRange, but readable in the help."""

    name = "n"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse, or refuse."""
        try:
            number = int(str(value))
        except ValueError:
            self.fail(f"{value} is not a whole number.", param, ctx)
        if number < self._least:
            self.fail(f"{number} is less than {self._least}.", param, ctx)
        if self._most is not None and number > self._most:
            self.fail(f"{number} is more than {self._most}.", param, ctx)
        return number


class PositiveNumber(click.ParamType):  # type: ignore[type-arg]
    """A number greater than 0."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or refuse."""
        try:
            number = float(str(value))
        except ValueError:
            self.fail(f"{value} is not a number.", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not a number greater than 0.", param, ctx)
        return number


class Share(click.ParamType):  # type: ignore[type-arg]
    """A number between 0 and 1, neither of them."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or refuse."""
        try:
            number = float(str(value))
        except ValueError:
            number = 0.0
        if not 0 < number < 1:
            self.fail(f"{value} is no number between 0 and 1, such as 0.97.", param, ctx)
        return number


class Size(click.ParamType):  # type: ignore[type-arg]
    """Bytes: ``500MB``, ``2GB``, ``1.5GiB``."""

    name = "size"
    _UNITS: ClassVar = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12}

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or refuse."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9.]+)\s*([KMGT]?)(I?)B?", str(value).strip().upper())
        try:
            number = float(found[1]) if found else 0.0
        except ValueError:
            number = 0.0
        if found is None or number <= 0:
            self.fail(f"{value} is no size, such as 500MB or 2GB.", param, ctx)
        power = self._UNITS[found[2]]
        return int(number * (2 ** (power // 3 * 10) if found[3] else 10**power))


class Limit(Size):
    """As `Size`, or ``none``: infinity."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or refuse."""
        if str(value).strip().lower() in {"none", "inf"}:
            return math.inf
        return super().convert(value, param, ctx)


class EncoderPath(click.Path):
    """An ONNX file; ``default`` is the one that comes with the package, unless a file has the name.

    It is given on as the path of the file.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As any path."""
        return super().convert(encoder_named(str(value)), param, ctx)


class Fractions(click.ParamType):  # type: ignore[type-arg]
    """Left, top, width and height of a part of a picture: ``0.25,0,0.5,0.5``."""

    name = "part"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse, or refuse."""
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 4:
            self.fail(f"{value} is not four numbers, such as 0.25,0,0.5,0.5.", param, ctx)
        return numbers


COUNT = WholeNumber(1)
"""A number that cannot be zero."""

SEED = WholeNumber(0)

POSITIVE = PositiveNumber()

ENCODER = EncoderPath()
"""An encoder or probe that a stage checks."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Formats that contact sheets and confusion matrices can be written in."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

_DEBUG = "clr_search.debug"


class Command(click.Command):
    """A command that takes ``--debug`` too, since people append it to the line that failed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _HIDDEN_DEBUG]

    def invoke(self, ctx: click.Context) -> object:
        """Run it, without the warnings of libraries: no user can act on damaged EXIF."""
        with warnings.catch_warnings():
            if not debugging(ctx):
                warnings.simplefilter("ignore")
            return super().invoke(ctx)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command of `clr_search.cli.main.main`."""
    return click.command(name, cls=Command)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().meta[_DEBUG] = True


def debugging(ctx: click.Context) -> bool:
    """Whether ``--debug`` was given, before the command or after it."""
    return bool(ctx.find_root().meta.get(_DEBUG))


_HIDDEN_DEBUG = click.Option(
    ["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_remember
)


def debug_option() -> Decorator[Any]:
    """``--debug``."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Show the traceback of a failure, and warnings.",
    )


def json_option() -> Decorator[Any]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, for programs.")


def force_option(what: str) -> Decorator[Any]:
    """``--force``, to overwrite `what`."""
    return click.option("--force", is_flag=True, help=f"Overwrite {what}.")


def collection_argument() -> Decorator[Any]:
    """``COLLECTION``."""
    return click.argument("collection", type=PATH)


def device_option() -> Decorator[Any]:
    """``--device``: on what pictures are embedded."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        help="Where to embed: cpu, cuda, cuda:1; auto takes CUDA if ONNX Runtime has it.",
    )


def embedding_options() -> Decorator[Any]:
    """``--batch-size``, ``--workers`` and ``--device``."""

    def decorate(function: AnyCallable) -> AnyCallable:
        workers = click.option(
            "--workers", type=COUNT, help="Threads that decode.  [default: one a core]"
        )
        batch_size = click.option(
            "--batch-size",
            type=COUNT,
            default=64,
            show_default=True,
            help="Pictures embedded and saved at a time.",
        )
        decorated: AnyCallable = batch_size(workers(device_option()(function)))
        return decorated

    return decorate


def picture_output(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Callback: refuse a picture file whose format cannot be told from its name."""
    if value is not None and value.suffix.lower() not in PICTURE_SUFFIXES:
        raise click.BadParameter(f"{value} does not end in {', '.join(PICTURE_SUFFIXES)}.")
    return value
