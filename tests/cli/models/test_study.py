"""``study``."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.cli.models import study as cli
from clr_search.train.study import design
from tests.cli.conftest import Run

SMALL = ("--seeds", 1, "--epochs", 1, "--batch-size", 8, "--image-size", 16, "--device", "cpu")


def test_the_experiments_are_those_there_are() -> None:
    assert cli.EXPERIMENTS == design.NAMES


def test_pages_are_written_and_named(run: Run, pictures: Path, tmp_path: Path) -> None:
    result = run("study", "colour", "--images", pictures, "--out", "study", *SMALL)
    assert result.stdout == "study/colour.md\n"
    page = (tmp_path / "study" / "colour.md").read_text(encoding="utf-8")
    assert f"    clr-search study colour --images {pictures} --out study --seeds 1" in page
    assert len(list((tmp_path / "study" / "cells" / "colour").iterdir())) == 5
    again = run("study", "colour", "--images", pictures, "--out", "study", *SMALL)
    assert again.stdout == result.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("tempo",), "'tempo' is not one of"),
        ((), "Missing argument 'EXPERIMENT...'"),
        (("loss", "--seeds", "0"), "0 is less than 1."),
    ],
)
def test_wrong_use(run: Run, pictures: Path, words: tuple[str, ...], complaint: str) -> None:
    given = ("study", *words, "--images", pictures, "--out", "study")
    assert complaint in run(*given, exit_code=2).stderr
