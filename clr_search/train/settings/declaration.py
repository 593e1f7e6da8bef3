"""A setting is declared once: its meaning, its bounds and its option stand beside its default.

`TrainConfig` and `Augmentation` declare each of their settings with `setting`. Four things follow
from the declaration, so that none of them is written by hand:

- the check of the value, by `check_declared`;
- the option of ``clr-search train``, by `clr_search.cli.models.settings`;
- the row in docs/settings.md, by `reference`;
- the attribute in the docstring of the class, by `documented`.

The declaration is the metadata of the dataclass field, so the signature of the class stays plain.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from clr_search.errors import UsageError

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])

Group = Literal[
    "Method",
    "Length of the training",
    "Views",
    "Network",
    "Loss",
    "Batches",
    "Optimizer",
    "Measurements and checkpoints",
    "Machine",
]
"""Headings under which docs/settings.md, and the help of the command, list the settings."""

_KEY = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known of one setting.

    Attributes
    ----------
    meaning : str
        What the setting does, in full sentences; the help of its option.
    details : str
        Where the default comes from, and what else only the documentation says.
    group : str
        Heading under which it is listed.
    bounds : (float, float or str), optional
        Least and greatest value. A greatest value that is a string names the setting that limits
        this one. Both numbers of a pair are within the bounds, in ascending order.
    choices : tuple
        All allowed values; empty for numbers with bounds and for free text. Those of a `Literal`
        are read from the annotation.
    default_text : str
        What the help shows as the default, where the value itself (None, "auto" or 0) says too
        little.
    method : str, optional
        The only training method that reads this setting; None if all do.
    option : str, optional
        The option of ``clr-search train`` that sets it; None for a setting of Python alone. The
        option of a boolean has no value, and sets the opposite of the default.
    metavar : str, optional
        Placeholder for the value of the option in its help; None for that of its type.
    option_factor : float
        The setting is the value of the option times this factor: 60 for minutes into seconds.
    option_choices : tuple of str
        The choices that the option offers, where these are fewer than `choices`.
    name, kind, default
        Name of the field, its type without None, and its default; filled in by `settings_of`.
    """

    meaning: str
    details: str = ""
    group: Group = "Views"
    bounds: tuple[float, float | str] | None = None
    choices: tuple[Any, ...] = ()
    default_text: str = ""
    method: str | None = None
    option: str | None = None
    metavar: str | None = None
    option_factor: float = 1.0
    option_choices: tuple[str, ...] = ()
    name: str = ""
    kind: type[Any] = str
    default: Any = None

    @property
    def parameter(self) -> str:
        """The name of the option as an identifier: ``--no-l2`` becomes ``no_l2``."""
        return (self.option or "").removeprefix("--").replace("-", "_")

    @property
    def shown_default(self) -> str:
        """The default as the help and the documentation show it; empty where there is none."""
        if self.default_text:
            return self.default_text
        if self.default is None:
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def setting(
    default: T,
    meaning: str,
    *,
    details: str = "",
    group: Group = "Views",
    bounds: tuple[float, float | str] | None = None,
    choices: tuple[Any, ...] = (),
    default_text: str = "",
    method: str | None = None,
    option: str | None = None,
    metavar: str | None = None,
    option_factor: float = 1.0,
    option_choices: tuple[str, ...] = (),
) -> T:
    """Declare a setting: a dataclass field with a default and a `Setting` as its metadata.

    Parameters
    ----------
    default
        Default of the field.
    meaning, details, group, bounds, choices, default_text, method, option, metavar, option_factor, option_choices
        As in `Setting`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Loss:
    ...     temperature: float = setting(0.1, "Temperature of the softmax.", bounds=(1e-3, 1e3))
    >>> Loss()
    Loss(temperature=0.1)
    >>> check_declared(Loss(temperature=0.0))
    Traceback (most recent call last):
        ...
    clr_search.errors.UsageError: temperature is 0. Choose a number from 0.001 to 1000.
    """  # noqa: E501
    declared = Setting(
        meaning=meaning,
        details=details,
        group=group,
        bounds=bounds,
        choices=choices,
        default_text=default_text,
        method=method,
        option=option,
        metavar=metavar,
        option_factor=option_factor,
        option_choices=option_choices,
    )
    return field(default=default, metadata={_KEY: declared})


@cache
def settings_of(cls: type[Any]) -> tuple[Setting, ...]:
    """All settings that a dataclass declares, in the order of its fields.

    Parameters
    ----------
    cls : type
        A dataclass, some or all of whose fields are declared with `setting`.
    """
    types = get_type_hints(cls)
    found = []
    for item in fields(cls):
        if _KEY in item.metadata:
            declared: Setting = item.metadata[_KEY]
            found.append(
                replace(
                    declared,
                    name=item.name,
                    kind=_kind(types[item.name]),
                    choices=declared.choices or tuple(_literals(types[item.name])),
                    default=item.default,
                )
            )
    return tuple(found)


def check_declared(config: object, cls: type[Any] | None = None) -> None:
    """Refuse values that the declarations of their settings do not allow.

    A value is among the choices and within the bounds. A setting that one training method alone
    reads has its default where another method is asked for. A value of None, which leaves the
    choice to `choices.resolve`, is within all bounds.

    Parameters
    ----------
    config : object
        An object with an attribute for each setting.
    cls : type, optional
        The dataclass that declares the settings; by default that of `config`.

    Raises
    ------
    UsageError
        Names the first setting that is wrong, its value, and what may be chosen instead.
    """
    declaring: Any = cls or type(config)
    for declared in settings_of(declaring):
        name, value = declared.name, getattr(config, declared.name)
        if declared.choices and value not in declared.choices:
            offered = (f"{c:g}" if isinstance(c, float) else c for c in declared.choices)
            raise UsageError(f"{name} is {value!r}.", f"Choose one of: {', '.join(offered)}.")
        method: str | None = getattr(config, "method", None)
        if declared.method not in (None, method) and value != declared.default:
            raise UsageError(
                f"{name} is {value}, which {method} has no use for.",
                f"Leave it out, or take --method {declared.method}.",
            )
        if declared.bounds is None or value is None:
            continue
        least, limit = declared.bounds
        most = getattr(config, limit) if isinstance(limit, str) else limit
        for number in value if isinstance(value, tuple) else (value,):
            _require_within(name, number, least, most)
            least = number  # the second number of a pair is no smaller than the first


def documented(cls: C) -> C:
    """Put the settings of a dataclass into its docstring, as the section "Attributes".

    The section stands before that of "Raises", in the place that numpy's convention gives it.
    """
    declaring: Any = cls
    lines = ["Attributes", "----------"]
    types = {item.name: item.type for item in fields(declaring)}
    for declared in settings_of(declaring):
        lines.append(f"{declared.name} : {types[declared.name]}")
        default = f"Default: {declared.default_text}." if declared.default_text else ""
        text = " ".join(filter(None, (declared.meaning, declared.details, default)))
        lines += textwrap.wrap(text, 92, initial_indent="    ", subsequent_indent="    ")
    summary, heading, rest = inspect.cleandoc(cls.__doc__ or "").partition("Raises\n------")
    cls.__doc__ = "\n".join([summary.rstrip(), "", *lines, "", heading + rest]).rstrip()
    return cls


def _require_within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # a value that is not a number fails this, too
        raise UsageError(f"{name} is {value:g}.", f"Choose a number from {least:g} to {most:g}.")


def _parts(annotation: Any) -> Iterator[Any]:
    """The members of a union, or the annotation itself."""
    if get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _literals(annotation: Any) -> Iterator[Any]:
    for part in _parts(annotation):
        if get_origin(part) is Literal:
            yield from get_args(part)


def _kind(annotation: Any) -> type[Any]:
    """The type of a value that is not None: str for literals, tuple for pairs."""
    (first, *_) = (part for part in _parts(annotation) if part is not type(None))
    if get_origin(first) is Literal:
        return str
    return cast("type[Any]", get_origin(first) or first)
