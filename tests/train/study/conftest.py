"""Small pictures of three colours, and the settings of cells that train in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clr_search.train.study import measures
from clr_search.train.study.design import base_config
from clr_search.train.study.pictures import Pictures, find_pictures
from clr_search.train.study.scope import Scope

BASE = replace(base_config(image_size=16, width=0.25, batch_size=16, device="cpu"), stem="imagenet")


@pytest.fixture(scope="package")
def found(pictures: Path) -> Pictures:
    return find_pictures([pictures], [], limit=30, side=16)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what was applied (`test_measures` tests it), which takes most of the time here."""
    monkeypatch.setattr(measures, "applied", lambda *given: {})


@pytest.fixture
def scope(found: Pictures) -> Scope:
    return Scope(
        pictures_sha256=found.sha256,
        images=len(found.train),
        tested=len(found.test),
        classes=3,
        image_size=16,
        width=0.25,
        batch_size=16,
        lengths=(1, 2),
        seeds=2,
        command="clr-search study EXPERIMENT --out study",
    )
