"""Errors say what happened and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clr_search.errors import (
    ClrSearchError,
    ImageError,
    MissingExtraError,
    UsageError,
    require,
)


def test_what_and_remedy() -> None:
    error = ClrSearchError("It broke.", "Mend it.")
    assert (error.what, error.remedy, str(error)) == ("It broke.", "Mend it.", "It broke. Mend it.")
    assert str(ClrSearchError("It broke.")) == "It broke."


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ClrSearchError, 1), (ImageError, 1), (UsageError, 2), (MissingExtraError, 2)],
)
def test_exit_codes(kind: type[ClrSearchError], code: int) -> None:
    assert kind("x").exit_code == code
    assert issubclass(kind, ClrSearchError)


def test_require_gives_the_module() -> None:
    assert require("json", "x") is sys.modules["json"]
    assert require("os.path", "x").join("a", "b")


def test_require_names_the_extra() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_module_here", "train")
    assert caught.value.what == "This needs no_such_module_here, which is not installed."
    assert caught.value.remedy == "Install it with: pip install 'clr-search[train]'"


def test_require_does_not_hide_a_broken_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_inside.py").write_text("import what_it_needs_is_gone")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs_is_gone"):
        require("broken_inside", "train")
