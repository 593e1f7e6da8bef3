"""Which structures there are, how large they are, and what is none."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.ann import structures
from clr_search.index.ann.choosing.tuning import select
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.structures import GRAPH, Structure, choose, load
from tests.index.ann.made import ROWS, kept, made
from tests.index.made import clustered


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
def test_the_memory_is_about_what_was_reckoned(kind: str) -> None:
    built = made(kind=kind)
    reckoned = Structure(64, kind).bytes_for(4000, 24)
    assert 0.5 * len(built.data) < reckoned < 1.4 * len(built.data)


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
        load(np.frombuffer(data, np.uint8), kept(), 1)


def test_a_graph_is_made_where_it_is_asked_for() -> None:
    assert choose(100_000, 64, graph=True) == [Structure(0, GRAPH)]
    assert choose(100, 64, graph=True) == [Structure(0)]
    assert str(Structure(0, GRAPH)) == "HNSW16"
    assert select(kept(), Goal(graph=True)) == (Structure(0), [])
    with pytest.raises(UsageError, match="The smallest takes 144,000,000"):
        that_fit(1_000_000, 64, Goal(memory=10**8, graph=True))
