"""Groups of like pictures, and those that are like no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.app.overview import grouped as module
from clr_search.app.overview.grouped import Grouped, grouped
from clr_search.index import Index
from tests.index.made import as_stored, sqlite_of, write_vectors


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four crowds, and number 41, which is like none of them."""
    axes = np.eye(16, dtype=np.float32)
    rows = axes[[number % 4 for number in range(40)] + [10]]
    rows[:40] += np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32) * 0.05
    rows = as_stored(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    path = write_vectors(tmp_path_factory.mktemp("groups") / "c.clr", rows)
    database = sqlite_of(path)
    with database:
        database.execute("UPDATE items SET label = 'rose' WHERE id <= 40")
    database.close()
    return path


def made(collection: Path, count: int) -> Grouped:
    with Index.open(collection) as index:
        return grouped(index, count, lambda _: None)


def test_every_picture_is_in_one_group(collection: Path) -> None:
    found = made(collection, 4)
    assert len(found.groups) == 4
    ids = np.concatenate([group.ids for group in found.groups])
    assert sorted(ids.tolist()) == list(range(1, 42))
    assert [len(group.ids) for group in found.groups] == sorted(
        (len(group.ids) for group in found.groups), reverse=True
    )
    assert {group.label for group in found.groups} <= {"rose", ""}
    assert "rose" in {group.label for group in found.groups}


def test_as_many_as_suit_or_at_most_one_a_picture(collection: Path) -> None:
    assert 1 < len(made(collection, 0).groups) <= 40
    assert len(made(collection, 100).groups) <= 41


def test_the_picture_without_a_like_one_is_the_first(collection: Path) -> None:
    found = made(collection, 4)
    assert found.alone[0] == 41
    assert (np.diff(found.scores) >= 0).all()
    with Index.open(collection) as index:
        ids, rows = index.vectors()
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    np.testing.assert_allclose(found.scores, np.sort(cosines.max(axis=1)), atol=1e-5)
    assert found.nearest[0] == ids[cosines[40].argmax()]


def test_a_picture_that_is_a_group_of_its_own_is_found(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nearer to its centre, itself, than all others are to theirs."""
    monkeypatch.setattr(module, "_CANDIDATES", 2)
    found = made(collection, 12)
    assert [41] in [group.ids.tolist() for group in found.groups]
    assert found.alone[0] == 41


def test_only_so_many_are_compared(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CANDIDATES", 8)
    monkeypatch.setattr(module, "_HEIGHT", 3)
    monkeypatch.setattr(module, "MOST_ALONE", 5)
    found = made(collection, 2)
    assert len(found.alone) == 5
    assert found.alone[0] == 41
