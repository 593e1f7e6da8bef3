"""Looking at a collection without searching it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index import Filter, Index
from clr_search.index.catalog.catalog import Catalog
from tests.index.conftest import paths_of
from tests.index.made import Vectors, clustered, insert, write_vectors

COUNT = 90


@pytest.fixture(scope="module")
def few() -> Vectors:
    return clustered(COUNT, 16, seed=2)


@pytest.fixture
def index(few: Vectors, tmp_path: Path) -> Iterator[Index]:
    folder = write_vectors(tmp_path / "few.clr", few, paths_of(COUNT))
    with Index.open(folder) as index:
        yield index


def test_embeddings_have_all_that_belongs_together(index: Index, few: Vectors) -> None:
    held = index.embeddings()
    assert len(held) == COUNT
    assert held.ids.tolist() == index.ids()
    assert held.labels == index.labels()
    assert list(held.paths) == [item.path for item in index.items(index.ids())]
    np.testing.assert_array_equal(held.vectors, few)
    assert (held.ids.dtype, held.vectors.dtype) == (np.int64, np.float32)
    labels = len(set(held.labels))
    assert repr(held) == f"<90 embeddings of length 16, {labels} labels>"


@pytest.mark.parametrize(
    "where",
    [{"under": "odd/01"}, {"label": "02"}, {"where": Filter(ids=[3, 5, 999])}],
)
def test_embeddings_of_what_a_filter_leaves(index: Index, where: dict[str, str]) -> None:
    everything, held = index.embeddings(), index.embeddings(**where)
    assert held.ids.tolist() == index.ids(**where)
    places = held.ids - 1
    np.testing.assert_array_equal(held.vectors, everything.vectors[places])
    assert held.labels == [everything.labels[place] for place in places]
    assert list(held.paths) == [everything.paths[place] for place in places]


def test_a_filter_that_leaves_nothing_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="have the label none"):
        index.embeddings(label="none")
    with pytest.raises(UsageError, match="Two values of label"):
        index.embeddings(label="01", where=Filter(label="02"))


def test_paths_are_a_sequence_whatever_their_names(tmp_path: Path) -> None:
    names = ["a/caf\udce9.png", "b/x.png", "c.png"]
    folder = write_vectors(tmp_path / "x.clr", clustered(3, 8), names)
    with Index.open(folder) as index:
        paths = index.embeddings().paths
    assert list(paths) == [Path("/pictures") / name for name in names]
    assert list(paths[1:]) == [Path("/pictures/b/x.png"), Path("/pictures/c.png")]
    assert paths[-1] == Path("/pictures/c.png")
    assert Path("/pictures/b/x.png") in paths
    assert repr(paths[1:]) == "<2 paths: /pictures/b/x.png, /pictures/c.png>"
    with pytest.raises(IndexError):
        paths[3]


def test_embeddings_are_of_one_snapshot(index: Index, few: Vectors) -> None:
    writer = Catalog(index.path, writable=True)
    with index.snapshot():
        before = index.embeddings()
        insert(writer, few[:5], [f"new/{n}.png" for n in range(5)])
        assert index.embeddings().ids.tolist() == before.ids.tolist()
    assert len(index.embeddings()) == len(index.embeddings().labels) == COUNT + 5
    writer.database.close()


def test_an_empty_collection(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "x.clr", np.empty((0, 8), np.float32))
    with Index.open(folder) as index:
        held = index.embeddings()
        assert (len(held), held.vectors.shape, list(held.paths), held.labels) == (0, (0, 8), [], [])
        assert list(index) == []
        assert repr(index).endswith(": 0 pictures, embeddings of length 8 by none, search: exact>")


def test_items_by_their_ids(index: Index) -> None:
    assert index[7] == index.item(7)
    assert [index[number].id for number in index] == index.ids()
    assert all(key in index for key in (1, np.int64(COUNT), index[1].path, str(index[1].path)))
    assert all(key not in index for key in (0, COUNT + 1, True, 1.0, None, "/pictures"))
