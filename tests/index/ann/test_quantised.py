"""Graphs over quantised codes, by rabitqlib: what they promise beyond what `test_graph` tries."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from clr_search.index.ann import quantised, structures
from clr_search.index.ann.base import Selector
from clr_search.index.ann.choosing import tuning
from clr_search.index.ann.choosing.tuning import Tried, build
from clr_search.index.ann.goal import Goal
from clr_search.index.ann.quantised import QuantisedGraph
from clr_search.index.ann.structures import QUANTISED, Structure, load
from tests.index.ann.made import ROWS, kept
from tests.index.made import Heard, Vectors, brute

pytestmark = pytest.mark.usefixtures("small_limits")


@pytest.fixture(scope="module")
def built() -> tuning.Built:
    pytest.importorskip("rabitqlib", reason="the extra [fast] is not installed")
    return build(kept(), Structure(0, QUANTISED), Goal())


def opened(built: tuning.Built) -> QuantisedGraph:
    index = load(built.data, kept(), built.probes, name=str(built.structure))
    assert isinstance(index, QuantisedGraph)
    return index


def test_scores_are_those_of_the_mapped_vectors(built: tuning.Built) -> None:
    """The library's own distances, by which candidates come, are off by some thousandths."""
    held, index = kept(), opened(built)
    positions, products = index.candidates(ROWS[:50], 10, 16, 64)
    exact = np.einsum("qkd,qd->qk", held.values[positions].astype(np.float32), ROWS[:50])
    np.testing.assert_allclose(products, exact, atol=1e-6)
    assert (np.diff(products, axis=1) <= 0.03).all()
    found = index.search(ROWS[:50], 10).best(10)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_what_a_walk_does_not_meet_ends_the_rows(built: tuning.Built) -> None:
    """Whatever the library puts in place of a vector, wherever in a row."""

    class Gaps:
        def search_batch(self, rows: Vectors, k: int, effort: int, threads: int) -> tuple[Any, Any]:
            found = np.tile(np.arange(k, dtype=np.uint32), (len(rows), 1))
            found[1, [0, 3]] = 2**32 - 1
            return found, None

    index = opened(built)
    index._index = Gaps()
    positions, products = index.walk(ROWS[:3], 5, 64)
    np.testing.assert_array_equal(positions[1], [1, 2, 4, -1, -1])
    np.testing.assert_array_equal(np.isneginf(products), positions < 0)
    assert (positions[[0, 2]] >= 0).all()


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 300])
def test_few_and_many_queries_find_the_same(built: tuning.Built, count: int) -> None:
    index = opened(built)
    together = index.candidates(ROWS[:count], 10, 16, 64)[0]
    singly = [index.candidates(row[None], 10, 16, 64)[0][0] for row in ROWS[:count]]
    np.testing.assert_array_equal(together, singly)


def test_a_selection_holds(built: tuning.Built) -> None:
    allowed = np.arange(len(ROWS)) % 3 == 0
    positions = opened(built).candidates(ROWS[:20], 10, 16, 200, Selector(allowed))[0]
    assert allowed[positions[positions >= 0]].all()


def test_its_size_is_about_what_was_promised(built: tuning.Built) -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    data = QuantisedGraph.build(kept(rows)).serialized()
    promised = Structure(0, QUANTISED).bytes_for(3000, 256)
    assert 0.9 * len(data) < promised < 1.2 * len(data)


@pytest.mark.parametrize(
    "harm",
    [lambda data: b"", lambda data: data[:100], lambda data: data[: len(data) // 2]],
    ids=["empty", "short", "half"],
)
def test_what_is_no_graph_is_refused(built: tuning.Built, harm) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ClrSearchError, match="rabitqlib cannot read it"):
        load(np.frombuffer(harm(built.data.tobytes()), np.uint8), kept(), 32, name="SymQG32")


def test_a_graph_over_other_vectors_is_refused(built: tuning.Built) -> None:
    with pytest.raises(ClrSearchError, match="no quantised graph over 3,000 items of 24"):
        load(built.data, kept(ROWS[:3000]), 32, name="SymQG32")


@pytest.fixture
def old_processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on one without AVX2: the library is imported, and refuses to search."""
    rabitqlib = pytest.importorskip("rabitqlib", reason="the extra [fast] is not installed")

    def refuses(*_: object) -> None:
        raise RuntimeError("FastScan requires AVX2")

    monkeypatch.setattr(rabitqlib.SymqgIndex, "search_batch", refuses)
    quantised._runs.cache_clear()
    yield
    quantised._runs.cache_clear()


@pytest.mark.usefixtures("old_processor")
def test_a_processor_on_which_it_does_not_run_gets_no_such_graph(built: tuning.Built) -> None:
    assert not quantised.available()
    with pytest.raises(ClrSearchError, match="does not run on this processor"):
        load(built.data, kept(), 32, name="SymQG32")
    kinds = {one.kind for one in structures.choose(100_000, 24, graphs=True)}
    assert QUANTISED not in kinds
    assert structures.GRAPH in kinds


def test_where_the_library_is_gone_all_is_found_and_said(
    many: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rabitqlib", reason="the extra [fast] is not installed")
    with monkeypatch.context() as chosen, Index.open(many, writable=True) as index:
        chosen.setattr(tuning, "_rank", lambda result, _: result.kind != QUANTISED)
        index.aim(serve="single")
        index.settle()
    monkeypatch.setitem(sys.modules, "rabitqlib", None)  # what importing then raises
    heard = Heard()
    with Index.open(many, reporter=heard) as index:
        assert (index.search_vector(rows[3], 10).ids - 1).tolist() == brute(rows, rows[3], 10)
    assert 'pip install "clr-search[fast]"' in " ".join(heard.messages)
    with Index.open(many, writable=True, reporter=heard) as index:
        assert "rabitqlib cannot be loaded (import of rabitqlib halted" in " ".join(heard.messages)
        assert not index.info().structure.startswith("SymQG")  # what can be made here
        assert index.search_vector(rows[3], 1).ids.tolist() == [4]


def test_it_takes_the_purpose_at_its_word() -> None:
    quick_singly = Tried("SymQG", 100, 0.98, 0.05, True, 0.04)
    quick_together = Tried("PQfs", 100, 0.98, 0.2, True, 0.01)
    even = Tried("SQ8", 100, 0.98, 0.06, True, 0.015)
    three = [quick_singly, quick_together, even]
    for serve, best in (("single", quick_singly), ("batch", quick_together), ("balanced", even)):
        goal = Goal(serve=serve)  # type: ignore[arg-type]
        assert min(three, key=lambda one: tuning._rank(one, goal)) is best


def test_memory_decides_first() -> None:
    names = [str(one) for one in structures.choose(100_000, 256, graphs=True)]
    if quantised.available():
        assert names[-1] == "SymQG32"
    few = structures.choose(100_000, 256, memory=20_000_000, graphs=True)
    assert [str(one) for one in few] == ["IVF512,PQfs", "IVF512,RaBitQ", "HNSW16"]
    without = structures.choose(100_000, 256)
    assert not {one.kind for one in without} & {*structures.GRAPHS}


def test_the_purpose_is_kept_and_checked(many: Path) -> None:
    with Index.open(many, writable=True) as index:
        index.aim(serve="batch")
        index.aim(recall=0.9)
        with pytest.raises(UsageError, match="cannot be a graph in any case and the quickest"):
            index.aim(graph=True)
        with pytest.raises(UsageError, match="serve is 'quick'"):
            index.aim(serve="quick")  # type: ignore[arg-type]
        index.settle()
        with index._catalog.reading():
            stored = json.loads(str(index._catalog.facts().goal))
        assert stored == {"recall": 0.9, "memory": None, "graph": False, "serve": "batch"}
        assert index.info().generation == 1
        index.aim(serve="auto")
        index.settle()
        assert index.info().structure.startswith("IVF")


def test_where_it_cannot_be_built_something_else_is_taken(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rabitqlib", reason="the extra [fast] is not installed")

    class Failing:
        def __init__(self, *given: object) -> None: ...

        def build(self, *given: object) -> None:
            raise RuntimeError("no such instruction")

    monkeypatch.setattr("rabitqlib.SymqgIndex", Failing)
    with Index.open(many, writable=True) as index:
        index.aim(serve="single")
        index.settle()
        (failed,) = (one for one in index.info().tried if one.kind == QUANTISED)
        assert (failed.reached, failed.recall) == (False, 0.0)
        assert not index.info().structure.startswith("SymQG")
