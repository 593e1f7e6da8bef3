"""Search by vector, against a slow search in numpy; exact and in a FAISS generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index, maintenance
from clr_search.index.ann import structures
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search import snapshot
from tests.index.conftest import paths_of
from tests.index.made import Heard, Vectors, brute, clustered, insert, write_vectors

COUNT = 1200
PATHS = paths_of(COUNT)


@pytest.fixture(scope="module")
def few() -> Vectors:
    return clustered(COUNT, 16, seed=5, clusters=12)


@pytest.fixture(scope="module", params=["exact", "ivf"])
def index(
    request: pytest.FixtureRequest, few: Vectors, tmp_path_factory: pytest.TempPathFactory
) -> Index:
    """1,000 items and 200 newer ones; with ``ivf``, the first are a generation of FAISS."""
    folder = tmp_path_factory.mktemp("s") / "x.clr"
    write_vectors(folder, few[:1000], paths_of(1000))
    catalog = Catalog(folder, writable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structures, "EXACT_ITEMS", 500 if request.param == "ivf" else 5000)
        maintenance.settle(catalog, Heard())
    insert(catalog, few[1000:], paths_of(200, first=1000))
    catalog.database.close()
    opened = Index.open(folder)
    assert (opened.info().generation is None) == (request.param == "exact")
    return opened


def positions(under: str | None, label: str | None) -> list[int]:
    return [
        i
        for i, path in enumerate(PATHS)
        if (under is None or path.startswith(under + "/"))
        and (label is None or path.split("/")[1] == label)
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k=st.sampled_from([1, 2, 10, 50, 399, 400, 1199, 1200, 5000]),
    under=st.sampled_from([None, "odd", "even", "odd/01", "even/03"]),
    label=st.sampled_from([None, "01", "00", "03"]),
    narrow=st.booleans(),
    leave_out=st.integers(0, 30),
)
def test_it_is_the_slow_search_at_every_selectivity(
    index: Index,
    few: Vectors,
    seed: int,
    k: int,
    under: str | None,
    label: str | None,
    narrow: bool,
    leave_out: int,
) -> None:
    """`narrow` switches between scoring what a filter leaves and searching FAISS through it."""
    allowed = positions(under, label)
    generator = np.random.default_rng(seed)
    query = few[generator.integers(COUNT)] + 0.1 * generator.normal(size=16).astype(np.float32)
    excluded = generator.choice(COUNT, leave_out, replace=False)
    if not allowed:
        with pytest.raises(UsageError):
            index.search_vector(query, k, under=under, label=label)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "EXACT_FILTERED", 20_000 if narrow else 0)
        patch.setattr(snapshot, "_FEW", 5)
        found = index.search_vector(query, k, under=under, label=label, exclude=excluded + 1)
    truth = brute(few, query, k, set(allowed) - set(excluded.tolist()))
    places = (found.ids - 1).tolist()
    assert len(places) == len(truth)
    assert set(places) <= set(allowed) - set(excluded.tolist())
    if index.info().generation is None or (narrow and (under or label)):
        assert places == truth  # exact, whatever the structure
    unit = query / np.linalg.norm(query)
    np.testing.assert_allclose(found.scores, few[found.ids - 1] @ unit, atol=1e-6)
    assert (np.diff(found.scores) <= 0).all()
    assert [match.rank for match in found] == list(range(1, len(found) + 1))
    assert [str(path) for path in found.paths] == [
        f"/pictures/{PATHS[number - 1]}" for number in found.ids
    ]


@pytest.mark.parametrize("k", [1, 10, 50])
@pytest.mark.parametrize("under", [None, "odd"])
def test_an_approximate_structure_finds_what_its_goal_says_on_average(
    index: Index, few: Vectors, k: int, under: str | None
) -> None:
    """A single query may miss; the mean over many must not."""
    generator = np.random.default_rng(0)
    near = few[generator.integers(COUNT, size=300)]
    queries = near + 0.1 * generator.normal(size=near.shape).astype(np.float32)
    allowed = set(positions(under, None))
    found = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "EXACT_FILTERED", 0)
        patch.setattr(snapshot, "_FEW", 5)
        for query in queries:
            ids = index.search_vector(query, k, under=under).ids - 1
            found += len(set(ids.tolist()) & set(brute(few, query, k, allowed)))
    assert found >= 0.97 * k * len(queries)
    if index.info().generation is None:
        assert found == k * len(queries)


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(index: Index, k: int) -> None:
    with pytest.raises(UsageError, match=f"k is {k}; it must be 1 or more"):
        index.search_vector(np.ones(16, np.float32), k)
    with pytest.raises(UsageError, match=f"k is {k}; it must be 1 or more"):
        index.search("nothing.png", k)


@pytest.mark.parametrize("k", [10**12, 2**63, 10**23])
def test_no_room_is_made_for_more_results_than_there_are(
    index: Index, few: Vectors, k: int
) -> None:
    assert len(index.search_vector(few[0], k)) == COUNT
    assert len(index.search_vector(few[0], k, diverse=0.5)) == COUNT


def test_a_vector_of_another_shape_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match=r"shape \(3,\); this collection needs \(16,\)"):
        index.search_vector(np.ones(3, np.float32))


def test_excluding_everything_leaves_nothing(index: Index) -> None:
    found = index.search_vector(np.ones(16, np.float32), exclude=range(1, COUNT + 1))
    assert len(found) == 0


def test_all_vectors_and_labels_in_one_order(index: Index, few: Vectors) -> None:
    with index.snapshot():
        ids, vectors = index.vectors()
        labels = index.labels()
    assert ids.tolist() == list(range(1, COUNT + 1))
    np.testing.assert_array_equal(vectors, few)
    assert labels == [path.split("/")[1] for path in paths_of(COUNT)]
    assert index.ids() == ids.tolist()
    assert index.ids(label="01", under="odd") == [i + 1 for i in positions("odd", "01")]
    with pytest.raises(UsageError, match="have the label none"):
        index.ids(label="none")
    with pytest.raises(UsageError, match=r"lie under ode\. There are: even/00"):
        index.vectors(under="ode")


def test_vectors_below_a_folder_are_read_alone(
    index: Index, few: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(*_: object) -> None:
        raise AssertionError("all embeddings are read")

    monkeypatch.setattr(embeddings, "newer", everything)
    ids, vectors = index.vectors(under="odd/01")
    assert ids.tolist() == [i + 1 for i in positions("odd/01", None)]
    np.testing.assert_array_equal(vectors, few[ids - 1])


def test_an_item_by_its_id(index: Index) -> None:
    item = index.item(32)
    assert (item.relative, item.label, item.width) == ("odd/01/000031.png", "01", 8)
    assert item.path == Path("/pictures/odd/01/000031.png")
    with pytest.raises(ClrSearchError, match="no item with the id 99999"):
        index.item(99_999)


def test_an_id_as_results_have_it_is_an_id(index: Index, few: Vectors) -> None:
    """They have it as numpy's int64."""
    number = index.search_vector(few[31], 1).ids[0]
    assert index.item(number).relative == "odd/01/000031.png"
    assert index.vectors_of([number]).shape == (1, 16)
    assert number in index.search(number, 1, include_self=True).ids


def test_an_empty_collection_finds_nothing(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "x.clr", np.empty((0, 8), np.float32))
    with Index.open(folder) as index:
        assert len(index) == 0
        assert len(index.search_vector(np.ones(8, np.float32))) == 0
        assert index.info().latency_ms is None


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6)), max_size=8))
def test_a_reader_keeps_up_with_every_change(
    tmp_path_factory: pytest.TempPathFactory, few: Vectors, steps: list[tuple[int, int]]
) -> None:
    """The incremental memory of a reader equals one that is read from the start."""
    folder = write_vectors(tmp_path_factory.mktemp("k") / "x.clr", few[:30], paths_of(30))
    catalog = Catalog(folder, writable=True)
    alive = {number + 1: few[number] for number in range(30)}
    with Index.open(folder) as reader:
        for step, (what, seed) in enumerate(steps):
            generator = np.random.default_rng(seed)
            if what == 0:
                first = int(generator.integers(100, 900))
                insert(catalog, few[first : first + 5], [f"{step}/{n}.png" for n in range(5)])
                with catalog.reading():
                    added = catalog.database.rows("SELECT id FROM items ORDER BY id").fetchall()
                alive |= {n: few[first + i] for i, (n,) in enumerate(added[-5:])}
            elif what == 1 and alive:
                doomed = generator.choice(sorted(alive), min(3, len(alive)), replace=False)
                with catalog.writing():
                    catalog.delete(doomed.tolist())
                alive = {n: row for n, row in alive.items() if n not in set(doomed.tolist())}
            elif alive:
                number = int(generator.choice(sorted(alive)))
                with catalog.writing() as revision:
                    catalog.database.rows(
                        "UPDATE items SET embedding = ?1, checksum = crc32(?1), revision = ?2 "
                        "WHERE id = ?3",
                        few[1000 + step].astype("<f2").tobytes(), revision, number,
                    )  # fmt: skip
                alive[number] = few[1000 + step]
            found = reader.search_vector(few[999], 1000)
            ids = sorted(alive)
            truth = brute(np.array([alive[n] for n in ids]), few[999], 1000) if alive else []
            assert found.ids.tolist() == [ids[i] for i in truth]
    catalog.database.close()


class TestLeastLikeness:
    """Results that are not like enough are left out, whatever the way they were found."""

    def test_the_least_score(self, many: Path, rows: Vectors) -> None:
        with Index.open(many) as index:
            every = index.search_vector(rows[0], 50)
            limit = float(every.scores[20])
            found = index.search_vector(rows[0], 50, min_score=limit)
            assert found == every[: len(found)]
            assert (found.scores >= limit).all()
            assert every.scores[len(found)] < limit

    def test_the_least_percentile_is_that_of_the_matches(self, many: Path, rows: Vectors) -> None:
        with Index.open(many) as index:
            every = index.search_vector(rows[0], 200)
            found = index.search_vector(rows[0], 200, min_percentile=97.5)
            assert 0 < len(found) < 200
            expected = [m for m in every if m.percentile is not None and m.percentile >= 97.5]
            assert list(found) == expected

    @pytest.mark.parametrize("options", [{"min_score": 1.0}, {"min_percentile": 100.0}])
    def test_nothing_is_an_answer(
        self, many: Path, rows: Vectors, options: dict[str, float]
    ) -> None:
        opposite = -rows.mean(axis=0)
        with Index.open(many) as index:
            assert len(index.search_vector(opposite, 5, **options)) == 0  # type: ignore[arg-type]

    def test_together_with_diversity(self, many: Path, rows: Vectors) -> None:
        with Index.open(many) as index:
            found = index.search_vector(rows[0], 10, diverse=0.7, min_percentile=99)
            assert len(found)
            assert all(m.percentile is not None and m.percentile >= 99 for m in found)

    def test_of_many_queries(self, many: Path, rows: Vectors) -> None:
        with Index.open(many) as index:
            every = index.search_vectors(rows[:7], 10)
            assert every.recall(every.ids) == 1
            first = index.search_vector(rows[3], 10)
            assert every[3].ids.tolist() == first.ids.tolist()
            assert every[3].paths == first.paths

    @pytest.mark.parametrize(
        "options", [{"under": "odd"}, {"min_percentile": 99.0}, {"diverse": 0.5}]
    )
    def test_of_many_queries_with_the_options_of_one(
        self, many: Path, rows: Vectors, options: dict[str, Any]
    ) -> None:
        own = [1, 2, 3]  # A query that is among its results leaves all others equally diverse.
        with Index.open(many) as index:
            every = index.search_vectors(rows[:3], 10, exclude=own, **options)
            for number in range(3):
                one = index.search_vector(rows[number], 10, exclude=own, **options)
                assert len(one)
                assert every.ids[number][: len(one)].tolist() == one.ids.tolist()
                assert (every.ids[number][len(one) :] == -1).all()
                assert not set(own) & set(one.ids.tolist())

    def test_how_unusual_scores_are(self, many: Path, rows: Vectors) -> None:
        with Index.open(many) as index:
            found = index.search_vector(rows[0], 10)
            shares = index.percentiles(found.scores)
            assert shares is not None
            assert shares.tolist() == [match.percentile for match in found]

    def test_a_collection_of_one_has_no_percentiles(self, tmp_path: Path) -> None:
        one = write_vectors(tmp_path / "one.clr", np.eye(4, dtype=np.float32)[:1])
        with Index.open(one) as index:
            query = np.eye(4, dtype=np.float32)[0]
            assert len(index.search_vector(query, 5)) == 1
            assert len(index.search_vector(query, 5, min_percentile=50)) == 0
            assert index.percentiles(np.array([0.5])) is None
