from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Index, maintenance
from clr_search.index.ann import generations
from clr_search.index.ann.base import Ann
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search import arriving
from tests.index.made import Heard, Vectors, brute

pytestmark = pytest.mark.usefixtures("small_limits")


@pytest.fixture
def large(many: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection whose structure counts as large."""
    monkeypatch.setattr(arriving, "_LARGE", 0)
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    catalog.database.close()
    return many


class Gate:
    """Holds up the loading of a structure until it is opened, and counts it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loads = 0
        self.searches = 0
        self.open = threading.Event()
        load, search = generations.load, Ann.search

        def held(*arguments: object) -> Ann:
            self.loads += 1
            assert self.open.wait(30)
            return load(*arguments)  # type: ignore[arg-type]

        def counted(*arguments: object, **options: object) -> object:
            self.searches += 1
            return search(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(generations, "load", held)
        monkeypatch.setattr(Ann, "search", counted)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_one_query_is_answered_without_the_structure(
    large: Path, rows: Vectors, gate: Gate
) -> None:
    with Index.open(large) as index:
        assert (index.search_vector(rows[5], 10).ids - 1).tolist() == brute(rows, rows[5], 10)
    assert gate.loads == gate.searches == 0


def test_the_second_query_loads_it_and_is_answered_meanwhile(
    large: Path, rows: Vectors, gate: Gate
) -> None:
    with Index.open(large) as index:
        for position in (5, 6, 7):
            found = index.search_vector(rows[position], 10, exclude=[1])
            true = [other for other in brute(rows, rows[position], 11) if other != 0][:10]
            assert (found.ids - 1).tolist() == true
        assert (gate.loads, gate.searches) == (1, 0)
        gate.open.set()
        while not gate.searches:
            assert index.search_vector(rows[8], 1).ids[0] == 9
        assert gate.loads == 1


def test_many_queries_wait_for_it(large: Path, rows: Vectors, gate: Gate) -> None:
    gate.open.set()
    with Index.open(large) as index:
        assert (index.search_vectors(rows[:50], 1).ids[:, 0] == np.arange(1, 51)).all()
    assert (gate.loads, gate.searches) == (1, 1)


def test_threads_that_ask_at_once_load_it_once(large: Path, rows: Vectors, gate: Gate) -> None:
    gate.open.set()
    with Index.open(large) as index:
        index.search_vector(rows[0], 1)
        snapshot = index._snapshot
    assert snapshot is not None
    wrong: list[int] = []

    def ask(position: int) -> None:
        found = snapshot.search(rows[position : position + 1], 1).ids[0, 0]
        if found != position + 1:
            wrong.append(position)

    threads = [threading.Thread(target=ask, args=(position,)) for position in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert gate.loads == 1


@pytest.mark.parametrize("many_at_once", [False, True])
def test_a_damaged_structure_is_noticed_when_it_comes(
    many_at_once: bool, large: Path, rows: Vectors
) -> None:
    path = large / "ann" / "1.faiss"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    heard = Heard()
    with Index.open(large, reporter=heard) as index:
        index.search_vector(rows[3], 1)
        assert heard.messages == []
        for _ in range(200):
            if many_at_once:
                found = index.search_vectors(rows[:20], 10).ids[5]
            else:
                found = index.search_vector(rows[5], 10).ids
            assert (found - 1).tolist() == brute(rows, rows[5], 10)
            if heard.messages:
                break
        assert index.search_vector(rows[5], 1).ids[0] == 6
    assert len(heard.messages) == 1
    assert "generation 1 is truncated or altered" in heard.messages[0]
    assert "Searching exactly" in heard.messages[0]


def test_damaged_vectors_are_noticed_before_the_first_answer(large: Path, rows: Vectors) -> None:
    path = large / "ann" / "1.vectors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    heard = Heard()
    with Index.open(large, reporter=heard) as index:
        assert index.search_vector(rows[5], 1).ids[0] == 6
    assert "vectors that are truncated or altered" in heard.messages[0]


def test_latency_is_that_of_the_structure(large: Path, gate: Gate) -> None:
    gate.open.set()
    with Index.open(large) as index:
        assert index.latency().median
    assert gate.searches > 100
