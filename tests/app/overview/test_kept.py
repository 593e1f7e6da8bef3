"""Maps on disk: they come back as they were, and nothing else is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.app.overview import kept
from clr_search.app.overview.kept import Kept


def a_map(count: int = 5) -> Kept:
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2**63, count, dtype=np.uint64)
    return Kept(np.arange(1, count + 1) * 3, marks, rng.random((count, 2), np.float32), 2)


def test_a_map_comes_back(tmp_path: Path) -> None:
    path = kept.file_of(tmp_path, tmp_path / "photos.clr")
    assert path.parent == tmp_path / "maps"
    assert kept.read(path) is None
    kept.write(path, a_map())
    back = kept.read(path)
    assert back is not None
    assert back.added == 2
    for name in ("ids", "marks", "places"):
        np.testing.assert_array_equal(getattr(back, name), getattr(a_map(), name))
    assert path != kept.file_of(tmp_path, tmp_path / "others.clr")


def test_pictures_are_found_by_id_and_by_what_they_are_like() -> None:
    known = a_map()
    marks = known.marks[[1, 0, 0]].copy()
    marks[2] += np.uint64(1)
    assert known.find(np.array([6, 4, 3]), marks).tolist() == [1, -1, -1]
    assert known.find(np.array([99]), known.marks[:1]).tolist() == [-1]


@pytest.mark.parametrize(
    "arrays",
    [
        {"ids": np.arange(4)},
        {"ids": np.array([5, 4, 3, 2, 1])},
        {"ids": np.arange(5, dtype=np.int32)},
        {"places": np.full((5, 2), np.nan, np.float32)},
        {"places": np.full((5, 2), 1.5, np.float32)},
        {"places": np.zeros((5, 3), np.float32)},
        {"marks": np.zeros(5, np.int64)},
        {"marks": np.array([object()] * 5)},
        {"added": np.array(-1)},
        {"added": np.array([1, 2])},
    ],
)
def test_what_is_no_map_is_computed_again(tmp_path: Path, arrays: dict[str, object]) -> None:
    known = a_map()
    whole: dict[str, object] = {
        "ids": known.ids,
        "marks": known.marks,
        "places": known.places,
        "added": np.array(0),
    }
    np.savez(tmp_path / "map.npz", **{**whole, **arrays})  # type: ignore[arg-type]
    assert kept.read(tmp_path / "map.npz") is None
    np.savez(tmp_path / "map.npz", **whole)  # type: ignore[arg-type]
    assert kept.read(tmp_path / "map.npz") is not None


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "map.npz"
    kept.write(path, a_map())
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert kept.read(path) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    kept.write(tmp_path / "elsewhere.npz", a_map())
    (tmp_path / "map.npz").symlink_to(tmp_path / "elsewhere.npz")
    assert kept.read(tmp_path / "map.npz") is None


def test_where_nothing_can_be_written_the_map_is_just_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "maps").write_text("in the way")
    kept.write(tmp_path / "maps" / "map.npz", a_map())
    assert "not kept" in caplog.text


def test_only_so_many_maps_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_FILES", 2)
    for name in "abc":
        kept.write(tmp_path / f"{name}.npz", a_map())
    assert len(list(tmp_path.glob("*.npz"))) == 2
    assert (tmp_path / "c.npz").exists()
