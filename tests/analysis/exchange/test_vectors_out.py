"""Vectors for other programs: what the files hold, and that nothing is left half written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clr_search.analysis.exchange import vectors_out
from clr_search.analysis.exchange.vectors_out import export_vectors
from clr_search.analysis.layout import lay_out
from clr_search.errors import MissingExtraError, UsageError
from clr_search.files.tables import vector_writing
from clr_search.index import Filter, Index
from tests.index.made import clustered

COUNT, DIMENSION = 50, 16


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Fifty vectors in blocks of seven, some with labels and columns."""
    monkeypatch.setattr(vectors_out, "_BLOCK", 7)
    monkeypatch.setattr(vector_writing._Npz, "_CHUNK", 3)
    with Index.create(tmp_path / "v.clr", dimension=DIMENSION) as index:
        paths = [f"{'ab'[n % 2]}/ä{n:02d}.png" if n else "top.png" for n in range(COUNT)]
        index.add_vectors(clustered(COUNT, DIMENSION), paths, root=tmp_path / "away")
        index.give_columns(
            {
                "rating": {n: n % 5 for n in range(1, 11)},
                "price": {n: n / 4 for n in range(1, COUNT + 1)},
                "note": {3: "good", 4: "x" * 40},
                "stars": {n: n for n in range(1, COUNT + 1)},
                "vector": {2: "mine"},
            }
        )
        yield index


def test_parquet_has_everything(index: Index, tmp_path: Path) -> None:
    assert export_vectors(index, tmp_path / "x.parquet") == COUNT
    table = pq.read_table(tmp_path / "x.parquet")
    names = ["path", "label", "rating", "price", "note", "stars", "vector_", "vector"]
    assert table.column_names == names
    held = index.embeddings()
    rows = table.to_pydict()
    assert rows["path"] == [str(path) for path in held.paths]
    assert rows["label"] == held.labels
    assert (rows["label"][0], rows["rating"][:3], rows["rating"][20]) == (None, [1, 2, 3], None)
    assert rows["price"][3] == 1.0
    assert (rows["note"][2:5], rows["vector_"][1]) == (["good", "x" * 40, None], "mine")
    np.testing.assert_array_equal(np.array(rows["vector"], np.float32), held.vectors)
    assert table.schema.field("vector").type.list_size == DIMENSION
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 8


def test_npz_has_an_array_of_each(index: Index, tmp_path: Path) -> None:
    export_vectors(index, tmp_path / "x.npz", on_map=COUNT)
    held = index.embeddings()
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["vector"], held.vectors)
        assert arrays["path"].tolist() == [str(path) for path in held.paths]
        assert arrays["label"].tolist() == [label or "" for label in held.labels]
        assert arrays["rating"][0] == 1
        assert np.isnan(arrays["rating"][20])
        assert arrays["stars"].dtype == np.int64
        assert arrays["note"].tolist()[2:5] == ["good", "x" * 40, ""]
        places = np.column_stack([arrays["x"], arrays["y"]]).astype(np.float32)
    np.testing.assert_array_equal(places, lay_out(index).places)


def test_npy_has_the_vectors_and_a_list_beside_it_their_paths(index: Index, tmp_path: Path) -> None:
    where = Filter(label="b")
    count = export_vectors(index, tmp_path / "x.npy", where=where, names=tmp_path / "x.txt")
    held = index.embeddings(where=where)
    assert count == len(held) == 25
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), held.vectors)
    lines = (tmp_path / "x.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [str(path) for path in held.paths]


@pytest.mark.skipif(os.name != "posix", reason="names of bytes, and with line breaks")
@pytest.mark.parametrize("ending", ["parquet", "npz", "npy"])
def test_any_name_is_written(ending: str, tmp_path: Path) -> None:
    with Index.create(tmp_path / "v.clr", dimension=DIMENSION) as index:
        index.add_vectors(clustered(2, DIMENSION), ["/a/two\nlines.png", "/a/no\udcfftext.png"])
        export_vectors(index, tmp_path / f"x.{ending}", names=tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_bytes() == b"/a/two\nlines.png\0/a/no\xfftext.png\0"
    if ending == "parquet":
        paths = pq.read_table(tmp_path / "x.parquet")["path"].to_pylist()
        assert paths == ["/a/two\nlines.png", r"/a/no\udcfftext.png"]


def test_the_map_is_of_a_sample(index: Index, tmp_path: Path) -> None:
    where = Filter(label="a")
    export_vectors(index, tmp_path / "x.parquet", where=where, on_map=10)
    rows = pq.read_table(tmp_path / "x.parquet").to_pydict()
    assert sum(x is not None for x in rows["x"]) == 10
    layout = lay_out(index, where=where, most=10)
    placed = [place for place in zip(rows["x"], rows["y"], strict=True) if place[0] is not None]
    np.testing.assert_array_equal(np.array(placed, np.float32), layout.places)


def test_a_failure_leaves_nothing(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.npz").write_text("old")
    real, calls = Index.vectors_of, []

    def failing(self: Index, numbers: list[int]) -> object:
        calls.append(numbers)
        if len(calls) > 3:
            raise MemoryError
        return real(self, numbers)

    monkeypatch.setattr(Index, "vectors_of", failing)
    for name in ("x.npz", "y.npy", "z.parquet"):
        calls.clear()
        with pytest.raises(MemoryError):
            export_vectors(index, tmp_path / name, names=tmp_path / "x.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.clr", "x.npz"]
    assert (tmp_path / "x.npz").read_text() == "old"


def test_what_cannot_be_written_is_refused(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"x\.csv does not end in \.parquet, \.npy, \.npz"):
        export_vectors(index, tmp_path / "x.csv")
    with pytest.raises(UsageError, match=r"x\.npy would hold vectors alone"):
        export_vectors(index, tmp_path / "x.npy", on_map=10)
    with pytest.raises(UsageError, match="have the label none"):
        export_vectors(index, tmp_path / "x.npy", where=Filter(label="none"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"clr-search\[parquet\]"):
        export_vectors(index, tmp_path / "x.parquet")
    with (
        Index.create(tmp_path / "empty.clr", dimension=4) as empty,
        pytest.raises(UsageError, match="has no items"),
    ):
        export_vectors(empty, tmp_path / "x.npy")
    assert [path.name for path in tmp_path.glob("x.*")] == []
