"""The structure that is chosen, and the effort it is set to."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index.ann import structures
from clr_search.index.ann.choosing import trial, tuning
from clr_search.index.ann.choosing.tuning import Tried, build, select
from clr_search.index.ann.goal import RECALL, Goal
from clr_search.index.ann.graph import HNSW
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.structures import GRAPH, GRAPHS, QUANTISED, Structure, choose, load
from clr_search.index.catalog.vectors import scale_of
from tests.index.ann.made import ROWS, kept, linked, loaded, made
from tests.index.made import brute


@pytest.mark.parametrize("kind", structures.KINDS)
def test_the_measured_recall_is_the_true_one(kind: str) -> None:
    """Against a slow search, on queries of which the builder knew nothing."""
    built = made(kind=kind)
    assert built.recall >= RECALL
    assert built.recall_at_1 >= built.recall - 0.02
    index, hits = loaded(built), 0
    for position in range(0, 4000, 80):
        near = index.candidates(ROWS[position][None], 11, index.scored_for(11), built.probes)[0][0]
        truth = [i for i in brute(ROWS, ROWS[position], 11) if i != position][:10]
        hits += len(set(truth) & set(near.tolist()))
    assert hits / 500 >= RECALL - 0.02
    assert hits / 500 == pytest.approx(built.recall, abs=0.04)


def test_probes_are_no_more_than_are_needed() -> None:
    built = made()
    assert 1 <= built.probes < 64
    more = made(goal=Goal(0.985))
    assert more.probes > made(goal=Goal(0.7)).probes
    assert more.recall > 0.985


def test_the_quickest_that_reaches_the_recall_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    structure, tried = select(kept(), Goal())
    assert [one.kind for one in tried] == list(structures.KINDS)
    best = next(one for one in tried if one.kind == structure.kind)
    assert best.reached
    assert best.recall >= RECALL
    assert best.milliseconds == min(one.milliseconds for one in tried if one.reached)


def test_it_is_chosen_for_the_whole_collection_and_not_for_the_sample() -> None:
    """Cells grow with the collection, and the walk through a graph hardly does."""
    file = Tried("PQfs", 80, 0.98, 0.05, True, 0.02, growth=2.1)
    graph = Tried("SymQG", 1672, 0.98, 0.06, True, 0.03, growth=1.1)
    for serve in ("single", "batch", "balanced"):
        assert graph.cost(Goal(serve=serve)) < file.cost(Goal(serve=serve))  # type: ignore[arg-type]


def test_growth_is_that_of_the_collection_over_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    monkeypatch.setattr(tuning, "_SAMPLE", 1000)
    tried = {one.kind: one for one in select(kept(), Goal(serve="single"))[1]}
    assert tried["SQ8"].growth == pytest.approx(2.0)
    graph = tried.get(QUANTISED) or tried[GRAPH]
    inside = 1000 - tuning._FEWER
    assert graph.growth == pytest.approx(np.log(4000) / np.log(inside))


def test_few_queries_do_not_throw_a_structure_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the effort was set by say whether it reaches the goal."""
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    true = trial.Trial.recall

    def unlucky(self: trial.Trial, part: slice) -> tuple[float, float]:
        recall, first = true(self, part)
        return (recall, first) if part == self.truth.tuned else (0.9, first)

    monkeypatch.setattr(trial.Trial, "recall", unlucky)
    tried = select(kept(), Goal())[1]
    assert {(one.reached, one.recall) for one in tried} == {(True, 0.9)}


def test_only_what_fits_the_memory_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    sizes = sorted(s.bytes_for(4000, 24) for s in choose(4000, 24))
    structure, tried = select(kept(), Goal(memory=sizes[1]))
    assert len(tried) == 2
    assert structure.bytes_for(4000, 24) <= sizes[1]
    with pytest.raises(UsageError, match=f"The smallest takes {sizes[0]:,}"):
        select(kept(), Goal(memory=sizes[0] - 1))


def test_where_nothing_reaches_the_recall_the_best_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    noise = np.random.default_rng(1).normal(size=ROWS.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    structure, tried = select(kept(noise), Goal(0.999999))
    reached = [one for one in tried if one.reached]
    chosen = next(one for one in tried if one.kind == structure.kind)
    assert chosen in reached or chosen.recall == max(one.recall for one in tried)


def test_a_build_is_the_same_every_time() -> None:
    faiss.omp_set_num_threads(1)
    assert made().data.tobytes() == made().data.tobytes()
    assert made(seed=1).data.tobytes() != made().data.tobytes()


def test_the_measured_recall_of_a_graph_is_the_true_one() -> None:
    built = linked()
    assert str(built.structure) == "HNSW16"
    assert built.recall >= RECALL
    assert linked(goal=Goal(0.01)).probes == 16, "what is shown is what is done"
    index, hits = loaded(built), 0
    assert isinstance(index, HNSW)
    for position in range(0, 4000, 80):
        near = index.candidates(ROWS[position][None], 11, index.scored_for(11), built.probes)[0][0]
        truth = [i for i in brute(ROWS, ROWS[position], 11) if i != position][:10]
        hits += len(set(truth) & set(near.tolist()))
    assert hits / 500 >= RECALL - 0.02


@pytest.mark.parametrize("kind", GRAPHS)
def test_the_recall_of_a_graph_is_that_of_new_queries(kind: str) -> None:
    """Of its own items it finds far more: linked to their neighbours, they say nothing."""
    if kind == QUANTISED:
        pytest.importorskip("rabitqlib", reason="the extra [fast] is not installed")
    rows = np.random.default_rng(4).normal(size=(9000, 48)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries, rows = rows[:1000], rows[1000:]
    held = MappedVectors(
        np.arange(8000), scale_of(rows.astype(np.float16)), rows.astype(np.float16)
    )
    built = build(held, Structure(0, kind), Goal(0.8))
    index = load(built.data, held, built.probes, name=str(built.structure))
    near = index.candidates(queries, 10, index.scored_for(10), built.probes)[0]
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, truth, strict=True)])
    assert found == pytest.approx(built.recall, abs=0.03)
    assert 0.78 < found < 0.9
