from __future__ import annotations

import faiss
import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.ann import structures
from clr_search.index.ann.base import Ann, Selector
from clr_search.index.ann.goal import RECALL, Goal, that_fit
from clr_search.index.ann.graph import Graph
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.structures import GRAPH, Structure, choose, load
from clr_search.index.ann.tuning import Built, build, select
from clr_search.index.catalog.vectors import scale_of
from tests.index.made import Vectors, brute, clustered

ROWS = clustered(4000, 24)
IDS = np.arange(len(ROWS), dtype=np.int64) * 3 + 7


def kept(rows: Vectors = ROWS) -> MappedVectors:
    values = rows.astype(np.float16)
    return MappedVectors(IDS[: len(rows)], scale_of(values), values)


def made(
    rows: Vectors = ROWS,
    cells: int = 64,
    seed: int = 0,
    kind: str = "SQ8",
    goal: Goal | None = None,
) -> Built:
    return build(kept(rows), Structure(cells, kind), goal or Goal(), seed=seed)


def loaded(built: Built, rows: Vectors = ROWS) -> Ann:
    return load(built.data.tobytes(), kept(rows), built.probes, built.width)


@pytest.mark.parametrize(
    ("count", "dimension", "spelt"),
    [
        (0, 512, "exact"),
        (50_000, 512, "exact"),
        (50_001, 512, "IVF512,SQ8"),
        (16_384, 2048, "exact"),
        (16_385, 2048, "IVF256,SQ8"),
        (200_000, 256, "IVF1024,SQ8"),
        (1_000_000, 512, "IVF2048,SQ8"),
        (513, 65_536, "IVF64,SQ8"),
    ],
)
def test_the_structure_follows_from_count_and_dimension(
    count: int, dimension: int, spelt: str
) -> None:
    fitting = choose(count, dimension)
    assert spelt in map(str, fitting)
    assert len(fitting) == 1 if spelt == "exact" else len(fitting) > 2


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


@pytest.mark.parametrize("kind", structures.KINDS)
def test_candidates_are_ordered_by_the_stored_vectors(kind: str) -> None:
    """All of them asked for, from all cells: the exact ranking, whatever the codes."""
    index = loaded(made(kind=kind))
    near = index.candidates(ROWS[:40], 15, 4000, 64)[0]
    exact = np.argsort(-(ROWS[:40] @ kept().rows(slice(None)).T), axis=1)[:, :15]
    scores = np.take_along_axis(ROWS[:40] @ ROWS.T, near, axis=1)
    assert (np.diff(scores, axis=1) < 1e-3).all()
    assert np.mean([len(set(a) & set(b)) for a, b in zip(near, exact, strict=True)]) > 14.5


def test_the_stored_vectors_are_not_copied() -> None:
    """The view is of the array itself: what is written there is what FAISS sees."""
    held = kept()
    index = load(made().data.tobytes(), held, 64)
    held.values[3999] = ROWS[0].astype(np.float16)
    held.values[0] = 0
    near = index.candidates(ROWS[:1], 4000, 4000, 64)[0][0]
    assert near[0] == 3999


def test_probes_are_no_more_than_are_needed() -> None:
    built = made()
    assert 1 <= built.probes < 64
    more = made(goal=Goal(0.985))
    assert more.probes > made(goal=Goal(0.7)).probes
    assert more.recall > 0.985


@pytest.mark.parametrize("kind", structures.KINDS)
def test_the_memory_is_about_what_was_reckoned(kind: str) -> None:
    built = made(kind=kind)
    reckoned = Structure(64, kind).bytes_for(4000, 24)
    assert 0.5 * len(built.data) < reckoned < 1.4 * len(built.data)


def test_the_quickest_that_reaches_the_recall_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    structure, tried = select(kept(), Goal())
    assert [one.kind for one in tried] == list(structures.KINDS)
    best = next(one for one in tried if one.kind == structure.kind)
    assert best.reached
    assert best.recall >= RECALL
    assert best.milliseconds == min(one.milliseconds for one in tried if one.reached)


def test_only_what_fits_the_memory_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 1000)
    sizes = sorted(s.bytes_for(4000, 24) for s in choose(4000, 24))
    structure, tried = select(kept(), Goal(memory=sizes[1]))
    assert len(tried) == 2
    assert structure.bytes_for(4000, 24) <= sizes[1]
    with pytest.raises(UsageError, match=f"The smallest takes {sizes[0]:,}"):
        select(kept(), Goal(memory=sizes[0] - 1))


def test_a_small_collection_is_searched_exactly() -> None:
    assert select(kept(), Goal()) == (Structure(0), [])


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


def test_all_cells_visited_find_all_but_what_quantisation_hides() -> None:
    near = loaded(made()).candidates(ROWS[:20], 4000, 4000, 64)[0]
    assert all(sorted(row.tolist()) == list(range(4000)) for row in near)


def test_a_build_is_the_same_every_time() -> None:
    faiss.omp_set_num_threads(1)
    assert made().data.tobytes() == made().data.tobytes()
    assert made(seed=1).data.tobytes() != made().data.tobytes()


def test_only_the_allowed_are_found() -> None:
    allowed = np.arange(4000) % 7 == 0
    near = loaded(made()).candidates(ROWS[:1], 50, 100, 64, Selector(allowed))[0][0]
    assert (near >= 0).all()
    assert allowed[near].all()
    few = loaded(made()).candidates(ROWS[:1], 600, 600, 64, Selector(allowed))[0][0]
    assert sorted(few[:572].tolist()) == np.flatnonzero(allowed).tolist()
    assert (few[572:] == -1).all()


@pytest.mark.parametrize("count", [11, 40])
def test_fewer_vectors_than_neighbours_and_cells(count: int) -> None:
    built = made(ROWS[:count], cells=2)
    assert built.recall == 1
    assert loaded(built, ROWS[:count]).count == count


def test_equal_vectors_do_not_disturb() -> None:
    built = made(np.repeat(ROWS[:1], 500, axis=0), cells=8)
    assert built.recall == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not faiss",
        made(cells=4).data.tobytes()[:-100],
        faiss.serialize_index(faiss.IndexFlatIP(24)).tobytes(),
        made(clustered(50, 8), cells=2).data.tobytes(),
        made(ROWS[:3999]).data.tobytes(),
    ],
)
def test_what_is_no_structure_over_these_vectors_is_refused(data: bytes) -> None:
    with pytest.raises(ClrSearchError):
        load(data, kept(), 1)


def linked(rows: Vectors = ROWS, goal: Goal | None = None) -> Built:
    """The last tenth of the rows are new queries to it while it is tuned."""
    return build(kept(rows), Structure(0, GRAPH), goal or Goal())


def test_a_graph_is_made_where_it_is_asked_for() -> None:
    assert choose(100_000, 64, graph=True) == [Structure(0, GRAPH)]
    assert choose(100, 64, graph=True) == [Structure(0)]
    assert str(Structure(0, GRAPH)) == "HNSW16"
    assert select(kept(), Goal(graph=True)) == (Structure(0), [])
    with pytest.raises(UsageError, match="The smallest takes 144,000,000"):
        that_fit(1_000_000, 64, Goal(memory=10**8, graph=True))


def test_the_measured_recall_of_a_graph_is_the_true_one() -> None:
    built = linked()
    assert str(built.structure) == "HNSW16"
    assert built.recall >= RECALL
    assert linked(goal=Goal(0.01)).probes == 16, "what is shown is what is done"
    index, hits = loaded(built), 0
    assert isinstance(index, Graph)
    for position in range(0, 4000, 80):
        near = index.candidates(ROWS[position][None], 11, index.scored_for(11), built.probes)[0][0]
        truth = [i for i in brute(ROWS, ROWS[position], 11) if i != position][:10]
        hits += len(set(truth) & set(near.tolist()))
    assert hits / 500 >= RECALL - 0.02


def test_the_recall_of_a_graph_is_that_of_new_queries() -> None:
    """Of its own items it finds far more: linked to their neighbours, they say nothing."""
    rows = np.random.default_rng(2).normal(size=(9000, 48)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries, rows = rows[:1000], rows[1000:]
    held = MappedVectors(
        np.arange(8000), scale_of(rows.astype(np.float16)), rows.astype(np.float16)
    )
    built = build(held, Structure(0, GRAPH), Goal(0.8))
    index = load(built.data.tobytes(), held, built.probes)
    near = index.candidates(queries, 10, index.scored_for(10), built.probes)[0]
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, truth, strict=True)])
    assert found == pytest.approx(built.recall, abs=0.03)
    assert 0.78 < found < 0.9


def test_a_graph_has_no_vectors_in_its_file() -> None:
    """They are those of the mapped file: what is written there is what a search compares."""
    built = linked()
    assert 0.8 * len(built.data) < built.structure.bytes_for(4000, 24) < 1.3 * len(built.data)
    held = kept()
    index = load(built.data.tobytes(), held, 64)
    positions, products = index.candidates(ROWS[:5], 3, 9, 200)
    assert positions[:, 0].tolist() == [0, 1, 2, 3, 4]
    held.values[:] = 0
    assert (index.candidates(ROWS[:5], 3, 9, 200)[1] == 0).all()
    assert (products > 0.1).all()


def test_a_graph_finds_all_that_is_allowed_when_nothing_else_helps() -> None:
    allowed = np.arange(4000) % 7 == 0
    index = loaded(linked())
    near = index.candidates(ROWS[:1], 12, 100, 200, Selector(allowed))[0][0]
    assert allowed[near[near >= 0]].all()
    every = index.candidates(ROWS[:2], 572, 572, 4000, Selector(allowed))[0]
    assert sorted(every[0].tolist()) == np.flatnonzero(allowed).tolist()
    assert index.effort(100, None).probes >= 5 * index.effort(10, None).probes
