"""What follows from the declaration of a setting: its check and its place in the docstring."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import pytest

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.declaration import (
    Setting,
    check_declared,
    documented,
    setting,
    settings_of,
)

DECLARED = [*settings_of(TrainConfig), *settings_of(Augmentation)]


@documented
@dataclass(frozen=True, kw_only=True)
class Example:
    """An example.

    Raises
    ------
    UsageError
        Sometimes.
    """

    method: Literal["one", "two"] = "one"
    side: int = setting(8, "A side.", bounds=(1, 100))
    crop: int | None = setting(None, "A crop.", bounds=(1, "side"), default_text="the side")
    span: tuple[float, float] = setting((0.0, 1.0), "A span.", bounds=(0.0, 1.0))
    mode: Literal["auto"] | Literal["fast", "slow"] = setting("auto", "A mode.", details="Fast.")
    scale: float = setting(1.0, "A scale.", choices=(0.5, 1.0))
    bank: int = setting(0, "A bank.", method="two", bounds=(0, 9))

    def __post_init__(self) -> None:
        check_declared(self)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"side": 0}, "side is 0. Choose a number from 1 to 100."),
        ({"side": float("nan")}, "side is nan. Choose a number from 1 to 100."),
        ({"crop": 9}, "crop is 9. Choose a number from 1 to 8."),
        ({"span": (0.5, 1.5)}, "span is 1.5. Choose a number from 0.5 to 1."),
        ({"span": (0.5, 0.25)}, "span is 0.25. Choose a number from 0.5 to 1."),
        ({"mode": "new"}, "mode is 'new'. Choose one of: auto, fast, slow."),
        ({"scale": 2.0}, "scale is 2.0. Choose one of: 0.5, 1."),
        ({"bank": 3}, "bank is 3, which one has no use for. Leave it out, or take --method two."),
    ],
)
def test_a_value_that_the_declaration_does_not_allow_is_refused(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Example(**given)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_a_value_within_the_declaration_is_kept() -> None:
    given: dict[str, Any] = {"side": 100, "crop": 100, "span": (1.0, 1.0), "mode": "slow"}
    example = Example(**given, method="two", bank=3)
    assert {name: getattr(example, name) for name in given} == given


def test_the_docstring_lists_the_settings() -> None:
    assert Example.__doc__ == (
        "An example.\n\n"
        "Attributes\n----------\n"
        "side : int\n    A side.\n"
        "crop : int | None\n    A crop. Default: the side.\n"
        "span : tuple[float, float]\n    A span.\n"
        "mode : Literal['auto'] | Literal['fast', 'slow']\n    A mode. Fast.\n"
        "scale : float\n    A scale.\n"
        "bank : int\n    A bank.\n\n"
        "Raises\n------\nUsageError\n    Sometimes."
    )


@pytest.mark.parametrize("cls", [TrainConfig, Augmentation])
def test_every_field_is_declared(cls: Any) -> None:
    names = [one.name for one in settings_of(cls)]
    assert names == [item.name for item in fields(cls)]
    assert all(f"\n{name} : " in cls.__doc__ for name in names)


@pytest.mark.parametrize("declared", DECLARED, ids=lambda one: one.name)
def test_every_declaration_is_complete(declared: Setting) -> None:
    assert declared.meaning.endswith(".")
    assert not declared.details or declared.details.endswith(".")
    if declared.kind in (int, float, tuple):
        assert declared.choices or declared.bounds, "a number has bounds"
    if declared.default in (None, "auto"):
        free = {"seconds", "optimizer", "precision", "device"}
        assert declared.default_text or declared.name in free, "says what is chosen"
