"""``study``."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.cli.models import study as cli
from clr_search.train.study import cost, design, measures
from tests.cli.conftest import Run

SMALL = ("--core", "--seeds", 1, "--epochs", 1, "--batch-size", 8, "--image-size", 16)


def test_the_experiments_are_those_there_are() -> None:
    assert cli.EXPERIMENTS == design.NAMES


def test_pages_are_written_and_named(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_SECONDS", 0.01)
    monkeypatch.setattr(measures, "applied", lambda *given: {})  # takes most of the time
    given = ("study", "augmentation", "--images", pictures, "--out", "study", *SMALL)
    plan = run(*given, "--plan").stdout
    assert plan.startswith("3 trainings, of which 3 have no result yet.\n")
    assert "     1           3 " in plan
    assert not (tmp_path / "study").exists()
    result = run(*given)
    assert result.stdout == "study/augmentation.md\n"
    page = (tmp_path / "study" / "augmentation.md").read_text(encoding="utf-8")
    assert f"    clr-search study augmentation --images {pictures} --out study --seeds 1" in page
    assert "| Crop + colour beats crop alone. | " in page
    assert "| cannot be told yet: one seed |" in page
    assert len(list((tmp_path / "study" / "cells").iterdir())) == 3
    again = run(*given)
    assert again.stdout == result.stdout
    assert run(*given, "--plan").stdout.startswith("3 trainings, of which 0 have no result yet.\n")


def test_time_that_is_over(run: Run, pictures: Path) -> None:
    given = ("study", "head", "--images", pictures, "--out", "study", "--hours", "1e-9", *SMALL)
    failed = run(*given)
    assert failed.stdout == ""
    assert "The time is over, and 3 of 3 trainings are missing" in failed.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("tempo",), "'tempo' is not one of"),
        ((), "Missing argument 'EXPERIMENT...'"),
        (("loss", "--seeds", "0"), "0 is less than 1."),
        (("loss", "--lengths", "5,many"), "many is not a whole number."),
        (("loss", "--lengths", "5", "--epochs", "7"), "--epochs and --lengths"),
        (("loss", "--core"), "The four insights need nothing of the experiment loss."),
    ],
)
def test_wrong_use(run: Run, pictures: Path, words: tuple[str, ...], complaint: str) -> None:
    given = ("study", *words, "--images", pictures, "--out", "study")
    assert complaint in run(*given, exit_code=2).stderr


def test_pictures_of_lists_and_of_a_selection(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page names the list, and not all that is in it."""
    monkeypatch.setattr(measures, "applied", lambda *given: {})  # takes most of the time
    (tmp_path / "list.txt").write_text("\n".join(map(str, sorted(pictures.rglob("*.*g")))))
    given = ("--images", "@list.txt", "--test", pictures, "--test", "@list.txt")
    words = ("--exclude", "x", "--any-name", *SMALL)
    run("study", "batch", *given, "--out", "study", *words)
    page = (tmp_path / "study" / "batch.md").read_text(encoding="utf-8")
    assert f"--images @list.txt --test {pictures} --test @list.txt --out study" in page
    assert "--out study --exclude x --any-name --seeds 1" in page
    failed = run(
        "study", "colour", "--images", pictures, "--exclude", "[gr]*", "--out", "x", exit_code=2
    )
    assert "at least two of them" in failed.stderr
    assert "2 files and folders are excluded; --exclude none takes them." in failed.stderr
    missing = run("study", "colour", "--images", "@none.txt", "--out", "x", exit_code=2)
    assert "@none.txt cannot be read" in missing.stderr
