from __future__ import annotations

import faiss
import numpy as np
import pytest

from clr_search.errors import ClrSearchError
from clr_search.index import ann
from clr_search.index.ann import TARGET_RECALL, Ann, Built, Structure, build, choose
from tests.index.made import Vectors, brute, clustered

ROWS = clustered(4000, 24)
IDS = np.arange(len(ROWS), dtype=np.int64) * 3 + 7


def made(rows: Vectors = ROWS, ids: np.ndarray = IDS, cells: int = 64, seed: int = 0) -> Built:
    def chunks():
        for start in range(0, len(ids), 1000):
            yield ids[start : start + 1000], rows[start : start + 1000]

    def take(asked: np.ndarray):
        places = np.searchsorted(ids, np.sort(asked))
        return ids[places], rows[places]

    return build(chunks, take, ids, rows.shape[1], Structure(cells), seed=seed)


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
    assert str(choose(count, dimension)) == spelt


def test_the_measured_recall_is_the_true_one() -> None:
    """Against a slow search, on queries of which the builder knew nothing."""
    built = made()
    assert built.recall >= TARGET_RECALL
    loaded = Ann.load(built.data.tobytes(), 24, built.probes)
    hits = 0
    for position in range(0, 4000, 80):
        near = loaded.search(ROWS[position][None], ann.candidates(11), built.probes)[0]
        truth = [IDS[i] for i in brute(ROWS, ROWS[position], 11) if i != position][:10]
        hits += len(set(truth) & set(near.tolist()))
    assert hits / 500 >= TARGET_RECALL - 0.02
    assert hits / 500 == pytest.approx(built.recall, abs=0.04)


def test_probes_are_no_more_than_are_needed() -> None:
    built = made()
    assert 1 <= built.probes < 64
    assert built.probes & (built.probes - 1) == 0


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
