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


def test_pictures_of_lists_and_of_a_selection(run: Run, pictures: Path, tmp_path: Path) -> None:
    """The page names the list, and not all that is in it."""
    (tmp_path / "list.txt").write_text("\n".join(map(str, sorted(pictures.rglob("*.*g")))))
    given = ("--images", "@list.txt", "--test", pictures, "--test", "@list.txt")
    words = ("--exclude", "x", "--any-name", *SMALL)
    run("study", "colour", *given, "--out", "study", *words)
    page = (tmp_path / "study" / "colour.md").read_text(encoding="utf-8")
    assert f"--images @list.txt --test {pictures} --test @list.txt --out study" in page
    assert "--out study --exclude x --any-name --seeds 1" in page
    failed = run(
        "study", "colour", "--images", pictures, "--exclude", "[gr]*", "--out", "x", exit_code=2
    )
    assert "at least two of them" in failed.stderr
    assert "2 files and folders are excluded; --exclude none takes them." in failed.stderr
    missing = run("study", "colour", "--images", "@none.txt", "--out", "x", exit_code=2)
    assert "@none.txt cannot be read" in missing.stderr
