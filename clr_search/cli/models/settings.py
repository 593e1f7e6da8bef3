"""The settings of training as options of the command line, made from their declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, get_args

import click

from clr_search.cli import options
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.choices import augmentation_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import Group, Setting, settings_of


@dataclass(frozen=True, slots=True)
class Given:
    """The settings that were given as options, by the names of their fields.

    Attributes
    ----------
    training : dict of str to value
        Fields of `TrainConfig`.
    augmentation : dict of str to value
        Fields of `Augmentation`.
    """

    training: dict[str, Any]
    augmentation: dict[str, Any]

    def applied_to(self, base: TrainConfig) -> TrainConfig:
        """The settings of `base`, with those that were given in their place.

        Raises
        ------
        UsageError
            If a value is out of its range, or settings contradict each other.
        """
        config = replace(base, **self.training)
        if not self.augmentation:
            return config
        augmentation = config.augmentation or augmentation_for(config.image_size)
        return replace(config, augmentation=replace(augmentation, **self.augmentation))


def setting_options() -> options.Decorator[Any]:
    """One option for each setting that declares one; the command takes them all as ``given``.

    Options are in the order of their groups, and in a group in the order of the fields.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(**values: Any) -> Any:
            given = Given(
                _taken(settings_of(TrainConfig), values), _taken(settings_of(Augmentation), values)
            )
            return function(given=given, **values)

        decorated: Callable[..., Any] = command
        for declared in reversed(list(_with_options())):
            decorated = _option(declared)(decorated)
        return decorated

    return decorate


def _with_options() -> Iterator[Setting]:
    declared = [*settings_of(TrainConfig), *settings_of(Augmentation)]
    for group in get_args(Group):
        yield from (one for one in declared if one.option and one.group == group)


def _taken(declared: tuple[Setting, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Take the values of these settings' options out of `values`; options not given are left out.

    The option of a boolean sets the opposite of its default.
    """
    given = {}
    for one in declared:
        value = values.pop(one.parameter, None) if one.option else None
        if value is None:
            continue
        if one.kind is bool:
            value = not one.default
        given[one.name] = value * one.option_factor if one.option_factor != 1 else value
    return given


def _option(declared: Setting) -> options.Decorator[Any]:
    assert declared.option is not None
    is_flag = declared.kind is bool
    default = declared.shown_default
    shown = "" if is_flag or not default else f"  [default: {default}]"
    return click.option(
        declared.option,
        type=_type(declared),
        metavar=declared.metavar,
        is_flag=is_flag,
        default=None,
        help=declared.meaning + shown,
    )


def _type(declared: Setting) -> click.ParamType[Any] | None:
    """How the command line reads the value. The bounds are checked with the settings."""
    if declared.kind is str:
        offered = declared.option_choices or declared.choices
        return click.Choice(offered) if offered else None
    if declared.kind is int:
        least = declared.bounds[0] if declared.bounds else 0
        return options.SEED if least == 0 else options.COUNT
    return None if declared.kind is bool else options.POSITIVE
