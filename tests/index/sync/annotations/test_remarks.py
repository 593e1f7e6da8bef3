"""What a person says about pictures: labels of their own, and which are no copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Filter, Index
from tests.tiny import write_pictures


def test_given_labels_are_kept(tmp_path: Path, tiny_encoder: Path) -> None:
    """They stay where files move, change, and roots grow together; new files have none."""
    folder = write_pictures(tmp_path / "photos", each=3)
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([folder / "red", folder / "blue"])
        held = index.embeddings()
        given = {int(at): f"own {path.stem}" for at, path in zip(held.ids, held.paths, strict=True)}
        del given[int(held.ids[0])]
        index.label(given)
        assert index.labels() == [None, *given.values()]
        assert index.ids(label="own red01")
    moved = folder / "blue" / "moved.jpg"
    (folder / "red" / "red02.jpg").rename(moved)
    shutil.copy(folder / "blue" / "blue00.jpg", folder / "blue" / "blue01.png")  # new content
    with Index.open(tmp_path / "c.clr", writable=True) as index:
        index.update([folder])
        found = {item.path.name: item.label for item in index.items(index.ids())}
        assert found["moved.jpg"] == "own red02"
        assert found["blue01.png"] == "own blue01"
        assert found["green00.jpg"] is found["red00.jpg"] is None
        index.rebuild(tiny_encoder)
        assert found == {item.path.name: item.label for item in index.items(index.ids())}
        index.label(None)
        assert set(index.labels()) == {"red", "green", "blue"}
        assert index.ids(where=Filter(label="blue", glob="moved.jpg"))


def test_some_labels_are_changed_and_all_others_stay(tmp_path: Path, tiny_encoder: Path) -> None:
    """Names of folders are kept as they are from then on, until the folders name all again."""
    folder = write_pictures(tmp_path / "photos", each=2)
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([folder])
        held = index.embedded_state()
        folders = index.labels()
        first, second, *_ = index.ids()
        assert not index.labels_are_given()
        before = index.relabel({first: "cafe\u0301", second: None})
        assert index.labels_are_given()
        assert index.labels() == ["caf\u00e9", None, *folders[2:]]
        assert before == {first: folders[0], second: folders[1]}
        shutil.copy(folder / "red" / "red00.jpg", folder / "blue" / "new.jpg")
        assert index.embedded_state() == held
        index.update([folder])
        assert index.embedded_state() != held
        assert index.item(index.id_at(folder / "blue" / "new.jpg")).label is None
        index.relabel(before)
        assert index.labels()[: len(folders)] == folders
        index.label(None)
        assert not index.labels_are_given()
        assert index.item(index.id_at(folder / "blue" / "new.jpg")).label == "blue"


def test_nothing_is_embedded_in_an_empty_collection(tmp_path: Path) -> None:
    with Index.create(tmp_path / "c.clr", dimension=4) as index:
        assert index.embedded_state() == (0, 0)


def test_labels_that_cannot_be_given(made: Path) -> None:
    with Index.open(made) as index, pytest.raises(UsageError):
        index.label({})
    with Index.open(made, writable=True) as index:
        before = index.labels()
        with pytest.raises(UsageError, match="The label '' is no text"):
            index.label({1: ""})
        with pytest.raises(ClrSearchError, match="no item with the id 999"):
            index.label({1: "x", 999: "y"})
        with pytest.raises(UsageError, match="The label '' is no text"):
            index.relabel({1: ""})
        with pytest.raises(ClrSearchError, match="no item with the id 999"):
            index.relabel({1: "x", 999: None})
        assert not index.labels_are_given()
        assert index.labels() == before


def test_dismissals_outlast_what_happens_to_the_files(tmp_path: Path, tiny_encoder: Path) -> None:
    folder = write_pictures(tmp_path / "photos", each=2)
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([folder])
        one, two, three = index.items(index.ids()[:3])
        assert index.dismiss([one.id, two.id]) == 1
        assert index.dismiss([one.id, two.id], against=[three.id]) == 2
        told = index.dismissed()
        assert len(told) == 3
    (folder / "red").rename(folder / "moved")
    with Index.open(tmp_path / "c.clr", writable=True) as index:
        index.update([folder])
        index.rebuild(tiny_encoder)
        assert index.dismissed() == told
        with pytest.raises(UsageError, match="no copy of itself"):
            index.dismiss([one.id])
        with pytest.raises(ClrSearchError, match="no item with the id 999"):
            index.dismiss([1, 999])
        assert index.dismissed() == told
    with Index.open(tmp_path / "c.clr") as index, pytest.raises(UsageError, match="reading only"):
        index.dismiss([1, 2])
