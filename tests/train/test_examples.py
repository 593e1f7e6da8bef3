"""The examples in the docstrings of the training stage do what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import clr_search.train

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(clr_search.train.__path__, "clr_search.train.")
]


@pytest.mark.parametrize("name", ["clr_search.train", *MODULES])
def test_the_examples_of_a_module(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # Some write files, and refuse to overwrite them.
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
