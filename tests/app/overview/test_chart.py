"""The map of a collection: each picture has a place, which it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis import layout
from clr_search.app.overview import chart, kept
from clr_search.app.overview.chart import Chart, chart_of
from clr_search.app.overview.classes import OTHER, by_folder, by_label
from clr_search.index import Index
from tests.index.made import clustered, write_vectors

NAMES = [f"{'a' if number % 3 else 'b/c'}/{number:03d}.png" for number in range(120)]
ROWS = clustered(120, 16, clusters=4)


def made(collection: Path, path: Path | None = None) -> tuple[Chart, list[str]]:
    stages: list[str] = []
    with Index.open(collection) as index:
        return chart_of(index, path, stages.append), stages


def places(found: Chart) -> dict[int, tuple[float, ...]]:
    return {int(one): tuple(place) for one, place in zip(found.ids, found.places, strict=True)}


def test_all_pictures_have_a_place_and_a_folder(tmp_path: Path) -> None:
    found, stages = made(write_vectors(tmp_path / "c.clr", ROWS, NAMES))
    assert sorted(found.ids.tolist()) == list(range(1, 121))
    assert found.ids.tolist() != sorted(found.ids.tolist())  # none hides another
    assert found.total == 120
    assert found.folders.names == ("a", "b/c")
    assert found.folders.counts == (80, 40)
    codes = dict(zip(found.ids.tolist(), found.folders.codes.tolist(), strict=True))
    assert [codes[number + 1] for number in range(6)] == [1, 0, 0, 1, 0, 0]
    assert found.labels.names == ("a", "c")
    assert found.labels.codes.tolist() == found.folders.codes.tolist()
    assert any("Laying out 120 pictures" in stage for stage in stages)


def test_scores_are_cosines(tmp_path: Path) -> None:
    found, _ = made(write_vectors(tmp_path / "c.clr", ROWS, NAMES))
    expected = (ROWS @ ROWS[7])[found.ids - 1]
    np.testing.assert_allclose(found.scores(ROWS[7]), expected, atol=2e-3)


def test_a_map_that_is_kept_is_not_laid_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = write_vectors(tmp_path / "c.clr", ROWS, NAMES)
    first, _ = made(collection, tmp_path / "map.npz")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is laid out again")

    monkeypatch.setattr(layout, "lay_out", never)
    again, _ = made(collection, tmp_path / "map.npz")
    assert again.token == first.token
    assert places(again) == places(first)


def test_few_that_come_or_go_leave_the_others_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.npz"
    before, _ = made(write_vectors(tmp_path / "few.clr", ROWS[:110], NAMES[:110]), path)
    monkeypatch.setattr(layout, "lay_out", None)
    after, stages = made(write_vectors(tmp_path / "all.clr", ROWS, NAMES), path)
    assert "Placing 10 more among them" in stages
    old, new = places(before), places(after)
    assert all(new[number] == place for number, place in old.items())
    assert before.token != after.token
    for number in range(111, 121):  # each lies with those that it is like
        nearest = int(np.argmax(ROWS[:110] @ ROWS[number - 1])) + 1
        assert np.hypot(*np.subtract(new[number], new[nearest])) < 0.1
    fewer, _ = made(write_vectors(tmp_path / "fewer.clr", ROWS[:100], NAMES[:100]), path)
    assert places(fewer) == {number: old[number] for number in range(1, 101)}


def test_many_that_come_lay_the_whole_out_anew(tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    made(write_vectors(tmp_path / "few.clr", ROWS[:60], NAMES[:60]), path)
    _, stages = made(write_vectors(tmp_path / "all.clr", ROWS, NAMES), path)
    assert any("Laying out 120 pictures" in stage for stage in stages)
    whole = kept.read(path)
    assert whole is not None
    assert (len(whole.ids), whole.added) == (120, 0)


def test_of_very_many_there_is_an_even_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "MOST", 40)
    monkeypatch.setattr(layout, "MOST", 25)
    found, _ = made(write_vectors(tmp_path / "c.clr", ROWS, NAMES))
    assert (len(found.ids), found.total) == (40, 120)
    assert np.diff(np.sort(found.ids)).max() <= 4


def test_folders_are_told_as_deep_as_there_are_colours() -> None:
    deep = by_folder([f"/photos/{year}/{day}/x.jpg" for year in range(3) for day in range(200)])
    assert set(deep.names) == {"0", "1", "2"}
    assert by_folder(["/photos/x.jpg"]).names == ("photos",)
    assert by_folder(["/photos/x.jpg", "/photos/a/y.jpg"]).names == ("a", "photos")
    assert by_folder([]).names == ()


def test_the_smallest_of_too_many_classes_have_no_colour() -> None:
    classes = by_label([str(number) for number in range(300)] + ["299"])
    assert classes.names[0] == "299"
    assert len(classes.names) == 254
    assert (classes.codes == OTHER).sum() == 46
