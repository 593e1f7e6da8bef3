"""Vectors go to other programs and come back; each is skipped where it is not installed."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from clr_search.analysis.exchange.vectors_in import import_vectors
from clr_search.analysis.exchange.vectors_out import export_vectors
from clr_search.index import Index
from tests.index.made import Vectors, clustered

COUNT, DIMENSION, K = 300, 32, 10


@pytest.fixture(scope="module")
def rows() -> Vectors:
    return clustered(COUNT, DIMENSION, seed=7)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, rows: Vectors) -> Path:
    """The folder of which each test gets a copy: its map takes seconds."""
    folder = tmp_path_factory.mktemp("exchanged")
    with Index.create(folder / "v.clr", dimension=DIMENSION) as index:
        paths = [f"{'ab'[n % 2]}/{n:03d}.png" for n in range(COUNT)]
        index.add_vectors(rows, paths, root=folder / "away")
        index.give_columns({"rating": {n: n % 5 for n in range(1, COUNT + 1)}})
        export_vectors(index, folder / "x.parquet", on_map=COUNT)
        export_vectors(index, folder / "x.npy", names=folder / "x.txt")
    return folder


@pytest.fixture
def collection(tmp_path: Path, made: Path) -> Path:
    """A collection of `rows` whose ids are their positions + 1, beside what was exported of it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "v.clr"


def imported(name: str) -> Any:
    return pytest.importorskip(name, reason=f"needs {name}: make third-party")


def neighbours(collection: Path, query: Vectors) -> list[str]:
    with Index.open(collection) as index:
        return [str(match.path) for match in index.search_vector(query, K)]


def assert_same(one: Path, other: Path) -> None:
    """Two collections hold the same paths, labels and vectors."""
    with Index.open(one) as first, Index.open(other) as second:
        held, again = first.embeddings(), second.embeddings()
        order = np.argsort([str(path) for path in again.paths])
        expected = np.argsort([str(path) for path in held.paths])
        assert [again.paths[at] for at in order] == [held.paths[at] for at in expected]
        assert [again.labels[at] for at in order] == [held.labels[at] for at in expected]
        ours, theirs = held.vectors[expected], again.vectors[order]
        assert np.einsum("nd,nd->n", ours, theirs).min() > 0.99999


def test_numpy(collection: Path, rows: Vectors, tmp_path: Path) -> None:
    vectors = np.load(tmp_path / "x.npy")
    best = np.argsort(-vectors @ rows[9])[:K]
    names = (tmp_path / "x.txt").read_text(encoding="utf-8").splitlines()
    assert [names[at] for at in best] == neighbours(collection, rows[9])
    np.save(tmp_path / "y.npy", (3 * vectors).astype(np.float64))
    import_vectors(tmp_path / "again.clr", tmp_path / "y.npy", names)
    assert_same(collection, tmp_path / "again.clr")


def test_lancedb(collection: Path, rows: Vectors, tmp_path: Path) -> None:
    lancedb = imported("lancedb")
    table = lancedb.connect(tmp_path / "lance").create_table(
        "items", pq.read_table(tmp_path / "x.parquet")
    )
    found = table.search(rows[9]).distance_type("cosine").limit(K).to_arrow()
    assert found["path"].to_pylist() == neighbours(collection, rows[9])
    pq.write_table(table.to_arrow(), tmp_path / "y.parquet")
    import_vectors(tmp_path / "again.clr", tmp_path / "y.parquet")
    assert_same(collection, tmp_path / "again.clr")
    with Index.open(tmp_path / "again.clr") as index:
        assert len(index.ids(where="rating = 3")) == COUNT // 5


def test_usearch(collection: Path, rows: Vectors, tmp_path: Path) -> None:
    usearch = imported("usearch.index")
    vectors = np.load(tmp_path / "x.npy")
    names = (tmp_path / "x.txt").read_text(encoding="utf-8").splitlines()
    index = usearch.Index(ndim=DIMENSION, metric="cos", dtype="f32")
    index.add(np.arange(COUNT), vectors)
    found = index.search(rows[9], K, exact=True)
    assert [names[at] for at in found.keys] == neighbours(collection, rows[9])
    np.save(tmp_path / "y.npy", index.get(np.arange(COUNT)))
    import_vectors(tmp_path / "again.clr", tmp_path / "y.npy", names)
    assert_same(collection, tmp_path / "again.clr")


def test_embedding_atlas(collection: Path, tmp_path: Path) -> None:
    imported("embedding_atlas")
    asked = [str(tmp_path / "x.parquet"), "--vector", "vector", "--x", "x", "--y", "y"]
    asked += ["--text", "path", "--export-application", str(tmp_path / "a.zip")]
    program = f"from embedding_atlas.cli import main; main({asked!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("dataset.parquet"))
        table = pq.read_table(io.BytesIO(archive.read(name)))
    before = pq.read_table(tmp_path / "x.parquet")
    for column in ("x", "y", "path", "label", "rating"):
        assert table[column].to_pylist() == before[column].to_pylist()
    pq.write_table(table, tmp_path / "y.parquet")
    import_vectors(tmp_path / "again.clr", tmp_path / "y.parquet")
    assert_same(collection, tmp_path / "again.clr")
