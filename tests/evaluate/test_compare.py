"""Scores of descriptions, on pictures where the right answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.evaluate.compare import Row, baseline_rows, compare, table
from clr_search.files.finding.find import find_images


def test_colour_tells_red_green_and_blue_apart(tiny_encoder: Path, pictures: Path) -> None:
    rows = compare(find_images([pictures]), {"tiny": tiny_encoder})
    assert [row.name for row in rows] == ["RGB histogram", "tiny", "chance", "majority"]
    assert [row.probe_accuracy for row in rows[2:]] == [1 / 3, 1 / 3]
    assert (rows[0].dimension, rows[1].dimension) == (512, 16)
    assert (rows[0].recall_at_1, rows[0].knn_accuracy, rows[0].probe_accuracy) == (1, 1, 1)
    assert rows[0].probe_low < 1 <= rows[0].probe_high


def test_broken_and_unlabelled_files_are_left_out(
    tiny_encoder: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    for source in find_images([pictures]):
        target = folder / source.relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.path.read_bytes())
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "loose.png").write_bytes((folder / "blue" / "blue01.png").read_bytes())
    assert compare(find_images([folder]), {"tiny": tiny_encoder}) == compare(
        find_images([pictures]), {"tiny": tiny_encoder}
    )


def test_the_table_is_markdown_in_per_cent() -> None:
    row = Row("SimCLR", 128, 0.5, 0.25, 0.125, 0.625, 0.75, 0.7, 0.8)
    chance = baseline_rows(["a", "a", "b", "b"])[0]
    assert table([row, chance]).splitlines()[1:] == [
        "|---|---|---|---|---|---|",
        "| SimCLR | 50.0 | 25.0 | 12.5 | 62.5 | 75.0 (70.0–80.0) |",
        "| chance | 33.3 | 100.0 | 61.1 | 50.0 | 50.0 |",
    ]


def test_other_seeds_move_only_the_probe(tiny_encoder: Path, pictures: Path) -> None:
    files = find_images([pictures])
    first, other = (compare(files, {"tiny": tiny_encoder}, seed=seed)[1] for seed in (0, 1))
    assert first.mean_average_precision == pytest.approx(other.mean_average_precision)
