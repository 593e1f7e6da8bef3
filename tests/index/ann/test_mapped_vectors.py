"""Vectors of a generation in a mapped file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.errors import ClrSearchError
from clr_search.index import Index, maintenance
from clr_search.index.ann import generations, mapped_vectors
from clr_search.index.ann.goal import Goal
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import Filter
from tests.index.made import Heard, Vectors, clustered, sqlite_of, write_vectors

ROWS = clustered(500, 24)
IDS = np.arange(500, dtype=np.int64) * 3 + 5


def written(folder: Path, step: int = 90) -> tuple[Path, str]:
    path = folder / "1.vectors"
    chunks = ((IDS[at : at + step], ROWS[at : at + step]) for at in range(0, 500, step))
    return path, mapped_vectors.write(path, chunks, 500, 24)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    held = mapped_vectors.load(written(tmp_path)[0], 500, 24, written(tmp_path)[1])
    np.testing.assert_array_equal(held.ids, IDS)
    places = held.positions(np.array([-1, 5, 6, 8, 1502, 9999]))
    assert places.tolist() == [0, 1, 499]
    np.testing.assert_array_equal(held.rows(places), ROWS[[0, 1, 499]])
    lengths = np.linalg.norm(ROWS.astype(np.float16).astype(np.float64), axis=1)
    np.testing.assert_allclose(held.scale * lengths, 1, rtol=1e-6)
    again = list(held.chunks())
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in again]), ROWS)
    assert held.positions(np.empty(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("damage", ["flip", "cut", "longer"])
def test_another_file_is_refused(tmp_path: Path, damage: str) -> None:
    path, sha256 = written(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
    data = {"flip": data, "cut": data[:-1], "longer": data + b"\0"}[damage]
    path.write_bytes(data)
    with pytest.raises(ValueError, match="altered"):
        mapped_vectors.load(path, 500, 24, sha256)


def test_a_wrong_number_of_vectors_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ClrSearchError, match="not 501"):
        mapped_vectors.write(tmp_path / "1.vectors", [(IDS, ROWS)], 501, 24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_limits")
def test_a_generation_has_the_vectors_of_the_catalogue_to_the_bit(tmp_path: Path) -> None:
    """Else a score would change when a search structure is built, or a filter passes it by."""
    rows = np.random.default_rng(1).normal(size=(600, 4))  # short: rounding changes the length
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    folder = write_vectors(tmp_path / "x.clr", rows.astype(np.float32))
    with Index.open(folder) as index:
        before = index.search_vector(rows[0], 600, where=Filter(ids=range(1, 601)))
        writer = Catalog(folder, writable=True)
        made = generations.publish(writer, Goal())
        writer.database.close()
        assert made is not None
        kept = [bytes(b) for (b,) in sqlite_of(folder).execute("SELECT embedding FROM items")]
        raw = generations.rows_of(folder, made).read_bytes()
        assert raw[12 * 600 :] == b"".join(kept)
        after = index.search_vector(rows[0], 600)
        assert dict(zip(after.ids, after.scores, strict=True)) == dict(
            zip(before.ids, before.scores, strict=True)
        )


@pytest.fixture
def published(many: Path, small_limits: None) -> Path:
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    catalog.database.close()
    return many


def test_rows_are_those_of_the_catalogue(published: Path, rows: Vectors) -> None:
    with Index.open(published) as index:
        assert len(index.search_vector(rows[0], 20)) == 20
        held = index._snapshot
        assert held is not None
        assert held.ann is not None
        kept = held.ann.vectors
        with index.snapshot():
            numbers, by_rows = embeddings.of(index._catalog, [3, 17, 900], 24)
    np.testing.assert_array_equal(kept.ids[kept.positions(numbers)], numbers)
    np.testing.assert_array_equal(kept.rows(kept.positions(numbers)), by_rows)


@pytest.mark.usefixtures("small_limits")
def test_removed_and_changed_items_drop_out(
    published: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MOST_BESIDE", 10**6)
    with Index.open(published) as index:
        assert index.search_vector(rows[0], 1).ids[0] == 1
        catalog = Catalog(published, writable=True)
        with catalog.writing():
            catalog.delete([1])
        with catalog.writing() as revision:
            catalog.database.rows("UPDATE items SET revision = ? WHERE id = 2", revision)
        catalog.database.close()
        found = index.search_vector(rows[0], 3000)
        assert 1 not in found.ids
        assert sorted(found.ids.tolist()) == list(range(2, 3001))
        assert index._snapshot is not None
        assert index._snapshot.among is not None
        assert np.flatnonzero(~index._snapshot.among.counted).tolist() == [0, 1]


def test_damaged_vectors_are_noticed_and_made_anew(published: Path, rows: Vectors) -> None:
    path = published / "ann" / "1.vectors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    heard = Heard()
    with Index.open(published, reporter=heard) as index:
        assert index.search_vector(rows[5], 1).ids[0] == 6
    assert "vectors that are truncated or altered" in heard.messages[0]
    with Index.open(published, writable=True, reporter=Heard()) as index:
        assert index.info().generation == 2
    names = {entry.name for entry in (published / "ann").iterdir()}
    assert names == {"2.faiss", "2.vectors"}


def test_a_generation_of_a_former_release_is_made_anew(published: Path, rows: Vectors) -> None:
    """Until then the search is exact."""
    catalog = Catalog(published, writable=True)
    with catalog.writing():
        catalog.database.rows(
            "UPDATE meta SET value = json_remove(value, '$.rows_sha256', '$.width', '$.tried', "
            "'$.goal_recall', '$.goal_memory', '$.bytes', '$.recall_at_1', '$.form') "
            "WHERE key = 'ann'"
        )
    with catalog.reading():
        assert generations.named(catalog) is not None
    catalog.database.close()
    heard = Heard()
    with Index.open(published, reporter=heard) as index:
        assert index.search_vector(rows[5], 1).ids[0] == 6
    assert "is of a former release" in heard.messages[0]
    with Index.open(published, writable=True, reporter=Heard()) as index:
        assert index.info().generation == 2
        assert index.search_vector(rows[5], 1).ids[0] == 6


@given(st.integers(1, 60), st.data())
def test_vectors_that_are_to_stand_last_do_and_are_found(count: int, data: st.DataObject) -> None:
    numbers = st.integers(0, count - 1)
    last = np.sort(data.draw(st.lists(numbers, unique=True).map(np.array))).astype(np.int64)
    ids = np.arange(count, dtype=np.int64) * 3 + 5
    values = np.arange(1, count + 1, dtype=np.float16)[:, None] * np.ones(2, np.float16)
    step = data.draw(st.integers(1, 20))
    chunks = [(ids[at : at + step], values[at : at + step]) for at in range(0, count, step)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1.vectors"
        held = mapped_vectors.load(
            path, count, 2, mapped_vectors.write(path, chunks, count, 2, last)
        )
        assert held.ids[count - len(last) :].tolist() == ids[last].tolist()
        assert sorted(held.ids.tolist()) == ids.tolist()
        asked = np.sort(
            data.draw(st.lists(st.integers(0, 3 * count + 9), unique=True).map(np.array))
        )
        places = held.positions(asked.astype(np.int64))
        assert held.ids[places].tolist() == [one for one in asked.tolist() if one in ids]
        assert held.values[places, 0].tolist() == [
            values[(one - 5) // 3, 0] for one in held.ids[places]
        ]
