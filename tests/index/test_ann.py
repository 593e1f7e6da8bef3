from __future__ import annotations

import faiss
import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import ann
from clr_search.index.ann import Ann, Structure, choose
from clr_search.index.tuning import RECALL, Built, Goal, build, select
from tests.index.made import Vectors, brute, clustered

ROWS = clustered(4000, 24)
IDS = np.arange(len(ROWS), dtype=np.int64) * 3 + 7


def made(
    rows: Vectors = ROWS,
    ids: np.ndarray = IDS,
    cells: int = 64,
    seed: int = 0,
    kind: str = "SQ8",
    goal: Goal | None = None,
) -> Built:
    def chunks():
        for start in range(0, len(ids), 1000):
            yield ids[start : start + 1000], rows[start : start + 1000]

    def take(asked: np.ndarray):
        places = np.searchsorted(ids, np.sort(asked))
        return ids[places], rows[places]

    return build(
        chunks, take, ids, rows.shape[1], Structure(cells, kind), goal or Goal(), seed=seed
    )


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
    structures = choose(count, dimension)
    assert spelt in map(str, structures)
    assert len(structures) == 1 if spelt == "exact" else len(structures) > 2


@pytest.mark.parametrize("kind", ann.KINDS)
def test_the_measured_recall_is_the_true_one(kind: str) -> None:
    """Against a slow search, on queries of which the builder knew nothing."""
    built = made(kind=kind)
    assert built.recall >= RECALL
    assert built.recall_at_1 >= built.recall - 0.02
    loaded = Ann.load(built.data.tobytes(), 24, built.probes, built.width)
    hits = 0
    for position in range(0, 4000, 80):
        wanted = ann.candidates(11) * built.width
        near = loaded.search(ROWS[position][None], wanted, built.probes)[0]
        truth = [IDS[i] for i in brute(ROWS, ROWS[position], 11) if i != position][:10]
        hits += len(set(truth) & set(near.tolist()))
    assert hits / 500 >= RECALL - 0.02
    assert hits / 500 == pytest.approx(built.recall, abs=0.04)


def test_probes_are_no_more_than_are_needed() -> None:
    built = made()
    assert 1 <= built.probes < 64
    more = made(goal=Goal(0.985))
    assert more.probes > made(goal=Goal(0.7)).probes
    assert more.recall > 0.985


@pytest.mark.parametrize("kind", ann.KINDS)
def test_the_memory_is_about_what_was_reckoned(kind: str) -> None:
    built = made(kind=kind)
    reckoned = Structure(64, kind).bytes_for(4000, 24)
    assert 0.5 * len(built.data) < reckoned < 1.4 * len(built.data)


def in_memory(asked: np.ndarray) -> tuple[np.ndarray, Vectors]:
    places = np.searchsorted(IDS, np.sort(asked))
    return IDS[places], ROWS[places]


def test_the_quickest_that_reaches_the_recall_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "EXACT_ITEMS", 1000)
    structure, tried = select(in_memory, IDS, 24, Goal())
    assert [one.kind for one in tried] == list(ann.KINDS)
    best = next(one for one in tried if one.kind == structure.kind)
    assert best.reached
    assert best.recall >= RECALL
    assert best.milliseconds == min(one.milliseconds for one in tried if one.reached)


def test_only_what_fits_the_memory_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "EXACT_ITEMS", 1000)
    sizes = sorted(s.bytes_for(4000, 24) for s in choose(4000, 24))
    structure, tried = select(in_memory, IDS, 24, Goal(memory=sizes[1]))
    assert len(tried) == 2
    assert structure.bytes_for(4000, 24) <= sizes[1]
    with pytest.raises(UsageError, match=f"The smallest takes {sizes[0]:,}"):
        select(in_memory, IDS, 24, Goal(memory=sizes[0] - 1))


def test_a_small_collection_is_searched_exactly() -> None:
    assert select(in_memory, IDS, 24, Goal()) == (Structure(0), [])


def test_where_nothing_reaches_the_recall_the_best_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ann, "EXACT_ITEMS", 1000)
    noise = np.random.default_rng(1).normal(size=ROWS.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    structure, tried = select(
        lambda asked: (np.sort(asked), noise[np.searchsorted(IDS, np.sort(asked))]),
        IDS,
        24,
        Goal(0.999999),
    )
    reached = [one for one in tried if one.reached]
    chosen = next(one for one in tried if one.kind == structure.kind)
    assert chosen in reached or chosen.recall == max(one.recall for one in tried)


def test_all_cells_visited_find_all_but_what_quantisation_hides() -> None:
    built = made()
    loaded = Ann.load(built.data.tobytes(), 24, built.probes)
    near = loaded.search(ROWS[:20], 4000, 64)
    assert all(sorted(row.tolist()) == IDS.tolist() for row in near)


def test_a_build_is_the_same_every_time() -> None:
    faiss.omp_set_num_threads(1)
    assert made().data.tobytes() == made().data.tobytes()
    assert made(seed=1).data.tobytes() != made().data.tobytes()


def test_only_the_allowed_are_found() -> None:
    built = made()
    loaded = Ann.load(built.data.tobytes(), 24, built.probes)
    allowed = IDS[::7]
    near = loaded.search(ROWS[:1], 50, 64, allowed)[0]
    assert set(near[near >= 0].tolist()) <= set(allowed.tolist())
    assert (near >= 0).all()


@pytest.mark.parametrize("count", [11, 40])
def test_fewer_vectors_than_neighbours_and_cells(count: int) -> None:
    built = made(ROWS[:count], IDS[:count], cells=2)
    assert built.recall == 1
    assert Ann.load(built.data.tobytes(), 24, built.probes).count == count


def test_equal_vectors_do_not_disturb() -> None:
    built = made(np.repeat(ROWS[:1], 500, axis=0), IDS[:500], cells=8)
    assert built.recall == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not faiss",
        made(cells=4).data.tobytes()[:-100],
        faiss.serialize_index(faiss.IndexFlatIP(24)).tobytes(),
        made(clustered(50, 8), IDS[:50], cells=2).data.tobytes(),
    ],
)
def test_what_is_no_inverted_file_of_this_dimension_is_refused(data: bytes) -> None:
    with pytest.raises(ClrSearchError):
        Ann.load(data, 24, 1)
