"""The class, the options and the parameter types that commands share."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

from clr_search.contract.shipped import encoder_named

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])
Decorator = Callable[[AnyCallable], AnyCallable]


class PlacePath(click.Path):
    """A path, or the address of a collection on Milvus, which `Path` would change."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or the address, or fail as `click.Path` does."""
        if str(value).startswith("milvus"):
            from clr_search.index.catalog.milvus.address import place_of

            value = place_of(value) or value
        return value if isinstance(value, Path) else super().convert(value, param, ctx)


PATH = PlacePath(path_type=Path)
"""A path that the called package checks; its message tells how to make a missing file."""

EXISTING = click.Path(exists=True, readable=False, path_type=Path)
"""An existing file or folder of the user; whether it can be read is checked when it is read."""

EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=False, path_type=Path)
"""An existing file of the user."""


class WholeNumber(click.ParamType):  # type: ignore[type-arg]  # generic since 8.3 only
    """A whole number of at least `least`, and at most `most` where that is given.

    It replaces click's IntRange, whose help shows a range such as ``INTEGER RANGE [x>=1]``.

    Examples
    --------
    >>> WholeNumber(1).convert("12", None, None)
    12
    """

    name = "n"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse a value, or fail with a message that names the right form."""
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
    """A finite number greater than 0.

    Examples
    --------
    >>> PositiveNumber().convert("0.25", None, None)
    0.25
    """

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a value, or fail with a message that names the right form."""
        try:
            number = float(str(value))
        except ValueError:
            self.fail(f"{value} is not a number.", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not a number greater than 0.", param, ctx)
        return number


class Share(click.ParamType):  # type: ignore[type-arg]
    """A number greater than 0 and less than 1.

    Examples
    --------
    >>> Share().convert("0.97", None, None)
    0.97
    """

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a value, or fail with a message that names the right form."""
        try:
            number = float(str(value))
        except ValueError:
            number = 0.0
        if not 0 < number < 1:
            self.fail(f"{value} is no number between 0 and 1, such as 0.97.", param, ctx)
        return number


class Size(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes with a decimal or a binary unit.

    Examples
    --------
    >>> [Size().convert(text, None, None) for text in ("500MB", "2GB", "1.5GiB")]
    [500000000, 2000000000, 1610612736]
    """

    name = "size"
    _UNITS: ClassVar = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12}

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a value, or fail with a message that names the right form."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9.]+)\s*([KMGT]?)(I?)B?", str(value).strip().upper())
        try:
            number = float(match[1]) if match else 0.0
        except ValueError:
            number = 0.0
        if match is None or number <= 0:
            self.fail(f"{value} is no size, such as 500MB or 2GB.", param, ctx)
        power = self._UNITS[match[2]]
        return int(number * (2 ** (power // 3 * 10) if match[3] else 10**power))


class Limit(Size):
    """A `Size`, or ``none`` for no limit, which becomes infinity.

    Examples
    --------
    >>> Limit().convert("none", None, None)
    inf
    """

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a value, or fail with a message that names the right form."""
        if str(value).strip().lower() in {"none", "inf"}:
            return math.inf
        return super().convert(value, param, ctx)


class EncoderPath(PlacePath):
    """The path of an ONNX file; the name ``default`` is the one that comes with the package."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail as `click.Path` does."""
        return super().convert(encoder_named(str(value)), param, ctx)


class Fractions(click.ParamType):  # type: ignore[type-arg]
    """Left, top, width and height of a part of a picture, as fractions of its sides.

    Examples
    --------
    >>> Fractions().convert("0.25,0,0.5,0.5", None, None)
    (0.25, 0.0, 0.5, 0.5)
    """

    name = "part"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse a value, or fail with a message that names the right form."""
        try:
            numbers = tuple(float(number) for number in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 4:
            self.fail(f"{value} is not four numbers, such as 0.25,0,0.5,0.5.", param, ctx)
        return numbers


COUNT = WholeNumber(1)
"""A count, which cannot be zero."""

BATCH = WholeNumber(1, 2**31 - 1)
"""A number of pictures at a time, as libraries take it."""

SEED = WholeNumber(0)
DRAWN_SEED = WholeNumber(0, 2**31 - 1)
"""A seed of k-means or of a layout, as FAISS and scikit-learn take it."""

POSITIVE = PositiveNumber()

ENCODER = EncoderPath(path_type=Path)
"""The path of an encoder or a probe; the package that loads it checks the file."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Suffixes of the image files that commands can write."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + 2, the number of SIGINT, as in shells."""

_DEBUG = "clr_search.debug"


class Command(click.Command):
    """A command that accepts ``--debug`` itself, since people append it to a line that failed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _HIDDEN_DEBUG]

    def invoke(self, ctx: click.Context) -> object:
        """Run the command without warnings of libraries, as no user can repair EXIF data."""
        with warnings.catch_warnings():
            if not debugging(ctx):
                warnings.simplefilter("ignore")
            return super().invoke(ctx)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a function a command of `clr_search.cli.main.main`."""
    return click.command(name, cls=Command)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Note in the root context that ``--debug`` was given."""
    if value:
        ctx.find_root().meta[_DEBUG] = True


def debugging(ctx: click.Context) -> bool:
    """Whether ``--debug`` was given, before the name of the command or after it."""
    return bool(ctx.find_root().meta.get(_DEBUG))


_HIDDEN_DEBUG = click.Option(
    ["--debug"], is_flag=True, hidden=True, expose_value=False, callback=_remember
)


def debug_option() -> Decorator[Any]:
    """Return the option ``--debug``."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Show the traceback of a failure, and warnings.",
    )


def json_option() -> Decorator[Any]:
    """Return the option ``--json``, which the command receives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, for programs.")


def force_option(what: str) -> Decorator[Any]:
    """Return the option ``--force``; its help says that it overwrites `what`."""
    return click.option("--force", is_flag=True, help=f"Overwrite {what}.")


def collection_argument() -> Decorator[Any]:
    """Return the argument ``COLLECTION``."""
    return click.argument("collection", type=PATH)


def _limit_pixels(ctx: click.Context, parameter: click.Parameter, value: int | None) -> None:
    """Set the limit for this process, and those that it starts, until the command has ended."""
    if value is None:
        return
    from clr_search.images.limits import PIXELS_VARIABLE

    before = os.environ.get(PIXELS_VARIABLE)
    os.environ[PIXELS_VARIABLE] = str(value)

    def restore() -> None:
        os.environ.pop(PIXELS_VARIABLE)
        if before is not None:
            os.environ[PIXELS_VARIABLE] = before

    ctx.call_on_close(restore)


def pixels_option() -> Decorator[Any]:
    """Return the option ``--max-pixels``, which is the limit of every picture that is decoded."""
    return click.option(
        "--max-pixels",
        type=COUNT,
        expose_value=False,
        callback=_limit_pixels,
        # Written out, since what decodes pictures is not to be loaded for --help.
        help="Most pixels of a picture; also from CLR_SEARCH_MAX_PIXELS.  [default: 200000000]",
    )


def device_option() -> Decorator[Any]:
    """Return the option ``--device``, which chooses the processor that embeds pictures."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        help="Where to embed: cpu, cuda, cuda:1; auto takes CUDA if ONNX Runtime has it.",
    )


def decoding_options() -> Decorator[Any]:
    """Return the options ``--decode-memory`` and ``--decode-seconds`` as one decorator."""

    def decorate(function: AnyCallable) -> AnyCallable:
        memory = click.option(
            "--decode-memory",
            metavar="SIZE",
            type=Limit(),
            default="4GiB",
            show_default=True,
            help="Most memory for decoding a picture; a small one gets less.",
        )
        seconds = click.option(
            "--decode-seconds",
            metavar="SECONDS",
            type=POSITIVE,
            default=30,
            show_default=True,
            help="Most time for decoding a picture; a small one gets less.",
        )
        decorated: AnyCallable = memory(seconds(function))
        return decorated

    return decorate


def hosting_options() -> Decorator[Any]:
    """Return the options ``--allow-host`` and ``--root-path`` as one decorator."""

    def decorate(function: AnyCallable) -> AnyCallable:
        hosts = click.option(
            "--allow-host",
            "allow_hosts",
            metavar="NAME",
            multiple=True,
            help="Name by which it may be addressed, as behind a proxy; may be given repeatedly.",
        )
        below = click.option(
            "--root-path",
            metavar="PATH",
            default="",
            help="Path below which a proxy shows it, as in /photos.",
        )
        decorated: AnyCallable = hosts(below(function))
        return decorated

    return decorate


def picture_output(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse, as a callback, an image file to write whose suffix names no known format."""
    if value is not None and value.suffix.lower() not in PICTURE_SUFFIXES:
        raise click.BadParameter(f"{value} does not end in {', '.join(PICTURE_SUFFIXES)}.")
    return value
