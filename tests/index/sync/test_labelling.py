"""Labels that are given instead of the names of the folders."""

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


def test_labels_that_cannot_be_given(made: Path) -> None:
    with Index.open(made) as index, pytest.raises(UsageError):
        index.label({})
    with Index.open(made, writable=True) as index:
        before = index.labels()
        with pytest.raises(UsageError, match="The label '' is no text"):
            index.label({1: ""})
        with pytest.raises(ClrSearchError, match="no item with the id 999"):
            index.label({1: "x", 999: "y"})
        assert index.labels() == before
