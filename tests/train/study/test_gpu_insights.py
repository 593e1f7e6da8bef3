"""The GPU job on the four insights, rehearsed: packed pictures, lengths, going on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bench.gpu import insights, packed
from clr_search.train.study.store import CELLS


def test_lengths_are_those_that_fit() -> None:
    shortest, middle, longest = insights.lengths_within(500, epoch=1.5, measuring=10.0)
    assert (middle, longest) == (4 * shortest, 16 * shortest)
    spent = 1.5 * (shortest + middle + longest) + 3 * 10
    assert 500 - 1.5 * 21 < spent <= 500
    assert insights.lengths_within(1.0, epoch=5.0, measuring=10.0) == (1, 4, 16)


def test_so_many_of_each_folder_are_packed(pictures: Path, tmp_path: Path) -> None:
    (archive,) = packed.pack(pictures.parent, [pictures.name], tmp_path / "packed", each=2)
    assert archive.stat().st_size < packed.MOST_BYTES
    packed.unpack(tmp_path / "packed", tmp_path / "out")
    found = sorted((tmp_path / "out").rglob("*.*"))
    assert len(found) == 6
    assert len({file.parent for file in found}) == 3


def test_a_rehearsal_goes_on_where_the_time_was_over(
    quick: None,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for part in ("train", "test"):
        shutil.copytree(pictures, tmp_path / "data" / "cifar10" / part)
    packed.pack(tmp_path / "data", ["cifar10"], tmp_path / "packed")
    monkeypatch.chdir(tmp_path)
    given = ["packed", "--out", "job", "--device", "cpu", "--rehearse", "--jobs", "1"]
    given += ["--experiments", "augmentation", "--seeds", "1", "--minutes"]
    monkeypatch.setattr(insights.cost, "_SECONDS", 0.01)
    monkeypatch.setattr(insights, "_LENGTHS", 2)
    monkeypatch.setattr(sys, "argv", ["insights", *given, "0.001"])
    with pytest.raises(SystemExit, match="the same command goes on"):
        insights.main()
    assert "Lengths: 1, 4 epochs." in capsys.readouterr().out
    assert not (tmp_path / "job" / CELLS).exists()
    monkeypatch.setattr(sys, "argv", ["insights", *given, "9"])
    insights.main()
    said = capsys.readouterr().out
    assert "Lengths: 1, 4 epochs." in said
    assert "| Crop + colour beats crop alone. |" in said
    assert "6 of 6 trainings are done." in said
    assert len(list((tmp_path / "job" / CELLS).iterdir())) == 6
    assert (tmp_path / "job" / "augmentation.md").exists()
