"""Recipes by name."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from clr_search.errors import UsageError
from clr_search.train.settings.advice import warnings
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.presets import PRESETS, PresetName, preset


@pytest.mark.parametrize("name", get_args(PresetName))
def test_every_preset_resolves_without_a_warning(name: str) -> None:
    found = preset(name)
    asked = replace(found.config, device="cpu", precision="fp32")
    assert warnings(asked, resolve(asked, 50_000), 50_000) == []
    assert found.purpose
    assert found.source
    assert found.expected


def test_the_names_are_those_there_are() -> None:
    assert set(PRESETS) == set(get_args(PresetName))
    with pytest.raises(UsageError, match="There is no preset cifar11") as caught:
        preset("cifar11")
    assert "photos-small" in caught.value.remedy
