from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clr_search import cores
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFolder
from clr_search.index import Index, maintenance
from clr_search.index.ann import digest, generations, goal, structures
from clr_search.index.ann.generations import DamagedError
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search.snapshot import Snapshot
from tests.index.conftest import paths_of
from tests.index.made import Heard, Vectors, brute, clustered, insert, sqlite_of

pytestmark = pytest.mark.usefixtures("small_limits")


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """The collections of which tests get copies, once each was built."""
    return {}


def once(
    name: str,
    make: Callable[[Path], object],
    collection: Path,
    built: dict[str, Path],
    factory: pytest.TempPathFactory,
) -> Path:
    """The collection after `make`, which the first test waits for, and others get a copy of."""
    if name not in built:
        make(collection)
        built[name] = Path(shutil.copytree(collection, factory.mktemp(name) / "c.clr"))
    else:
        shutil.rmtree(collection)
        shutil.copytree(built[name], collection)
    return collection


@pytest.fixture
def published(many: Path, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once("settled", settled, many, built, tmp_path_factory)


def settled(many: Path) -> Path:
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    catalog.database.close()
    return many


def file_of(collection: Path) -> Path:
    (path,) = (collection / "ann").glob("*.faiss")
    assert {other.stem for other in (collection / "ann").iterdir()} == {path.stem}
    return path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped": flip,
    "foreign": lambda path: path.write_bytes(b"something else"),
}


def recall(index: Index, rows: Vectors) -> float:
    hits = 0
    for position in range(0, len(rows), 60):
        truth = {i + 1 for i in brute(rows, rows[position], 11) if i != position}
        found = index.search_vector(rows[position], 10, exclude=[position + 1])
        hits += len(truth & set(found.ids.tolist()))
    return hits / (10 * len(range(0, len(rows), 60)))


def test_a_large_collection_gets_a_generation_that_finds_nearly_all(
    published: Path, rows: Vectors
) -> None:
    with Index.open(published) as index:
        info = index.info()
        assert info.structure.startswith("IVF128,")
        assert (info.generation, info.beside) == (1, 0)
        assert info.recall is not None
        assert info.recall >= goal.RECALL
        assert recall(index, rows) >= goal.RECALL - 0.02


def test_scores_are_those_of_the_stored_vectors_and_not_of_the_quantised(
    published: Path, rows: Vectors
) -> None:
    with Index.open(published) as index:
        for position in (0, 17, 2999):
            found = index.search_vector(rows[position], 20)
            expected = rows[found.ids - 1].astype(np.float64) @ rows[position]
            np.testing.assert_allclose(found.scores, expected, atol=1e-6)
            assert found.ids[0] == position + 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_searched_without_and_then_made_anew(
    damage: str, published: Path, rows: Vectors
) -> None:
    DAMAGES[damage](file_of(published) if damage != "missing" else published / "ann/1.faiss")
    heard = Heard()
    with Index.open(published, reporter=heard) as index:
        for position in (5, 50):
            found = index.search_vector(rows[position], 10)
            assert (found.ids - 1).tolist() == brute(rows, rows[position], 10)
    assert len(heard.messages) == 1
    assert "generation 1 is" in heard.messages[0]
    assert "Searching exactly" in heard.messages[0]
    heard = Heard()
    with Index.open(published, writable=True, reporter=heard) as index:
        assert "anew from the catalogue" in heard.messages[0]
        assert index.info().generation == 2
        assert recall(index, rows) >= goal.RECALL - 0.02
    assert file_of(published).name == "2.faiss"
    heard = Heard()
    with Index.open(published, reporter=heard) as index:
        index.search_vector(rows[0], 1)
    assert heard.messages == []


def test_a_file_of_the_right_checksum_that_is_no_index_is_of_no_use_either(
    published: Path, rows: Vectors
) -> None:
    generation = file_of(published)
    generation.write_bytes(b"IwSq")
    connection = sqlite_of(published)
    connection.execute(
        "UPDATE meta SET value = json_set(value, '$.sha256', ?) WHERE key = 'ann'",
        (digest.of_bytes(np.frombuffer(b"IwSq", np.uint8)),),
    )
    connection.close()
    heard = Heard()
    with Index.open(published, reporter=heard) as index:
        assert (index.search_vector(rows[7], 3).ids - 1).tolist() == brute(rows, rows[7], 3)
    assert "is of no use" in heard.messages[0]


def test_an_unreadable_entry_is_reported(published: Path, rows: Vectors) -> None:
    connection = sqlite_of(published)
    connection.execute("UPDATE meta SET value = '{\"number\": 1}' WHERE key = 'ann'")
    connection.close()
    with Index.open(published) as index, pytest.raises(ClrSearchError, match="unreadable entry"):
        index.search_vector(rows[0])


def test_newer_items_are_found_beside_it_and_removed_ones_never(
    published: Path, rows: Vectors, fresh: Vectors
) -> None:
    catalog = Catalog(published, writable=True)
    insert(catalog, fresh[:80], paths_of(80, first=3000))
    with catalog.writing() as revision:
        catalog.delete(range(1, 41))
        # Item 100 is embedded again: FAISS still holds what it was.
        catalog.database.rows(
            "UPDATE items SET embedding = ?1, checksum = crc32(?1), revision = ?2 WHERE id = 100",
            generations.embeddings.of(catalog, [3001], 24)[1][0].astype("<f2").tobytes(),
            revision,
        )
    now = np.concatenate([rows, fresh[:80]])
    now[99] = fresh[0]
    there = [i for i in range(len(now)) if i >= 40]
    with Index.open(published) as index:
        assert index.info().beside == 81
        for query in (fresh[0], fresh[40], rows[10], rows[99], rows[1500]):
            found = index.search_vector(query, 12)
            assert not set(found.ids.tolist()) & set(range(1, 41))
            truth = brute(now, query, 12, there)
            assert len(set(truth) & set((found.ids - 1).tolist())) >= 11
            np.testing.assert_allclose(found.scores, now[found.ids - 1] @ query, atol=1e-6)
        assert index.search_vector(fresh[0], 2).ids.tolist() == [100, 3001]


def test_all_of_it_can_be_asked_for(published: Path, rows: Vectors) -> None:
    with Index.open(published) as index:
        for k in (2999, 3000, 5000):
            found = index.search_vector(rows[0], k, exclude=[9])
            assert len(found) == 2999
            assert (np.diff(found.scores) <= 0).all()


def test_it_is_made_anew_when_it_has_fallen_behind_and_retired_when_small(
    published: Path, fresh: Vectors
) -> None:
    catalog = Catalog(published, writable=True)
    insert(catalog, fresh[:300], paths_of(300, first=3000))
    maintenance.settle(catalog, heard := Heard())
    assert heard.messages == []  # a tenth is put up with
    insert(catalog, fresh[300:], paths_of(100, first=3300))
    maintenance.settle(catalog, heard)
    assert "over 3,400 items" in heard.messages[0]
    assert "recall@10" in heard.messages[1]
    assert file_of(published).name == "2.faiss"
    with catalog.writing():
        catalog.delete(range(1, 2901))
    maintenance.settle(catalog, heard)
    assert list((published / "ann").iterdir()) == []
    with Index.open(published) as index:
        assert index.info().structure == "exact"
        assert len(index.search_vector(fresh[0], 600)) == 500


def test_a_collection_at_the_limit_does_not_swing(published: Path) -> None:
    """Removing and adding a picture at the size where exact search ends rebuilds nothing."""
    catalog = Catalog(published, writable=True)
    with catalog.writing():
        catalog.delete(range(502, 3001))
    maintenance.settle(catalog, Heard())
    for number in (501, 500, 499, 498):
        maintenance.settle(catalog, heard := Heard())
        assert heard.messages == []
        with catalog.writing():
            catalog.delete([number])


class TestKilledWhilePublishing:
    """Every step of `publish` may be the last one."""

    @pytest.mark.parametrize("step", ["path_of", "_name", "clean"])
    def test_the_catalogue_names_a_file_that_is_whole(
        self, step: str, published: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(*_: object) -> None:
            raise Killed

        catalog = Catalog(published, writable=True)
        with monkeypatch.context() as context:
            context.setattr(generations, step, die)
            with pytest.raises(Killed):
                generations.publish(catalog)
        catalog.database.close()
        (published / "ann" / ".2.faiss.0123abcd.tmp").write_bytes(b"half")
        heard = Heard()
        with Index.open(published, reporter=heard) as index:
            assert index.info().generation == (2 if step == "clean" else 1)
            index.search_vector(rows[0])
        with Index.open(published, writable=True, reporter=heard) as index:
            index.search_vector(rows[0])
        assert heard.messages == []
        assert file_of(published).name == ("2.faiss" if step == "clean" else "1.faiss")


def test_cleaning_stumbles_over_nothing(published: Path) -> None:
    (published / "ann" / "a folder of somebody").mkdir()
    with Index.open(published, writable=True) as index:
        assert index.info().generation == 1


def test_the_file_is_loaded_only_when_it_is_what_it_was(published: Path) -> None:
    catalog = Catalog(published, writable=False)
    with catalog.reading():
        generation = generations.named(catalog)
    assert generation is not None
    vectors = generations.vectors_of(OwnFolder(published), generation, 24)
    assert generations.load(OwnFolder(published), generation, vectors).count == 3000
    with pytest.raises(DamagedError, match="truncated or altered"):
        generations.verified(OwnFolder(published), replace(generation, sha256="0" * 64))


def test_files_that_a_former_release_hashed_in_one_go_are_read(
    published: Path, rows: Vectors
) -> None:
    hashes = {
        key: hashlib.sha256((published / "ann" / name).read_bytes()).hexdigest()
        for key, name in (("sha256", "1.faiss"), ("rows_sha256", "1.vectors"))
    }
    connection = sqlite_of(published)
    for key, value in {**hashes, "form": 3}.items():
        connection.execute(
            f"UPDATE meta SET value = json_set(value, '$.{key}', ?) WHERE key = 'ann'", (value,)
        )
    connection.close()
    with Index.open(published, reporter=(heard := Heard())) as index:
        assert index.search_vector(rows[5], 1).ids[0] == 6
        assert isinstance(index._snapshot, Snapshot)
        assert index._snapshot.ann is not None
    Index.open(published, writable=True, reporter=heard).close()
    assert heard.messages == []
    flip(file_of(published))
    with Index.open(published, reporter=heard) as index:
        assert index.search_vector(rows[5], 1).ids[0] == 6
    assert "truncated or altered" in heard.messages[0]


def test_a_reader_goes_over_to_the_next_generation(published: Path, fresh: Vectors) -> None:
    with Index.open(published) as reader:
        reader.search_vector(fresh[0])
        catalog = Catalog(published, writable=True)
        insert(catalog, fresh, paths_of(400, first=3000))
        maintenance.settle(catalog, Heard())
        assert reader.info().generation == 2
        assert reader.search_vector(fresh[3], 1).ids.tolist() == [3004]
        assert reader._snapshot is not None
        assert reader._snapshot.ids.tolist() == []


def test_many_neighbours_are_found_as_well_as_few(published: Path, rows: Vectors) -> None:
    """Probes are tuned for ten; a hundred or five hundred lie in more cells."""
    with Index.open(published) as index:
        for k in (100, 500):
            hits = 0
            for position in range(0, 3000, 300):
                found = index.search_vector(rows[position], k)
                hits += len(set(brute(rows, rows[position], k)) & set((found.ids - 1).tolist()))
            assert hits / (10 * k) >= goal.RECALL


@pytest.mark.parametrize("kind", structures.KINDS)
def test_where_all_candidates_are_gone_more_are_asked_for(
    kind: str, many: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest thousand are removed, far more than a search asks FAISS for."""
    monkeypatch.setattr(structures, "KINDS", {kind: structures.KINDS[kind]})
    published = settled(many)
    near = brute(rows, rows[0], 1000)
    catalog = Catalog(published, writable=True)
    with catalog.writing():
        catalog.delete(position + 1 for position in near)
    left = sorted(set(range(3000)) - set(near))
    with Index.open(published) as index:
        for k in (1, 10, 2000, 2500):
            found = index.search_vector(rows[0], k)
            truth = brute(rows, rows[0], k, left)
            assert len(found) == len(truth)
            assert len(set(truth) & {number - 1 for number in found.ids.tolist()}) >= 0.9 * len(
                truth
            )


def test_an_unreadable_file_is_searched_without(
    published: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(file: object) -> tuple[digest.Bytes, str]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(digest, "read_whole", refused)
    with Index.open(published, reporter=(heard := Heard())) as index:
        assert index.search_vector(rows[3], 1).ids.tolist() == [4]
    assert "cannot be read (Input/output error)" in heard.messages[0]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has a 1 for every time that a structure was chosen by trial, from now on."""
    times: list[int] = []
    true = generations.select

    def select(*arguments: object, **options: object) -> object:
        times.append(1)
        return true(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(generations, "select", select)
    return times


def test_the_kind_is_chosen_anew_only_where_much_has_changed(
    published: Path, chosen: list[int]
) -> None:
    with Index.open(published, writable=True) as index:
        before = index.info()
        assert before.tried
        generations.publish(index._catalog)
        assert index.info().generation == 2
        assert index.info().tried == before.tried
        assert chosen == []
        index.aim(recall=0.9)
        index.settle()
        assert chosen == [1]
        found = index.info()
        assert found.generation == 3
        assert found.recall is not None
        assert found.recall >= 0.9
        index.settle()
        assert index.info().generation == 3


def test_retuning_chooses_anew_though_nothing_has_changed(
    published: Path, chosen: list[int]
) -> None:
    with Index.open(published, writable=True) as index:
        index.settle()
        assert (index.info().generation, chosen) == (1, [])
        index.settle(retune=True)
        assert (index.info().generation, chosen) == (2, [1])


def test_another_processor_is_told_and_chooses_at_the_next_building(
    published: Path, chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.open(published, writable=True) as index:
        assert index.info().chosen_on == ""
        monkeypatch.setattr(generations, "processor", lambda: "another")
        assert index.info().chosen_on == cores.processor()
        index.settle()
        assert (index.info().generation, chosen) == (1, []), "nobody asked for it"
        generations.publish(index._catalog)
        assert (index.info().chosen_on, chosen) == ("", [1])


def test_growth_in_small_steps_is_growth_too(many: Path, chosen: list[int]) -> None:
    """From 3,000 by a third each time: beyond 6,000 the kind is chosen anew, as in one step."""
    published, count = settled(many), 3000
    for expected in (1, 1, 2):
        more, catalog = count // 3, Catalog(published, writable=True)
        rows = clustered(more, 24, seed=count)
        insert(catalog, rows, paths_of(more, count), "/pictures")
        maintenance.settle(catalog, Heard())
        catalog.database.close()
        count += more
        assert len(chosen) == expected


def test_memory_bounds_the_structure(published: Path) -> None:
    with Index.open(published, writable=True) as index:
        index.aim(memory=300_000)
        index.settle()
        found = index.info()
        assert found.bytes_per_vector is not None
        assert found.bytes_per_vector * found.count < 300_000
        assert {one.kind for one in found.tried} < set(structures.KINDS)
        with pytest.raises(UsageError, match="fits into 1,000 bytes"):
            index.aim(memory=1000)
        index.settle()
        assert index.info().generation == found.generation
        index.aim(memory=math.inf)
        index.settle()
        assert {one.kind for one in index.info().tried} == set(structures.KINDS)


def test_the_latency_is_that_of_the_structure_there_is(published: Path) -> None:
    def stale() -> None:
        catalog = Catalog(published, writable=True)
        with catalog.writing():
            catalog.set_latency(1e6, 1e6)
        catalog.database.close()

    stale()
    with Index.open(published, writable=True) as index:
        index.settle()
        assert index.info().latency_ms == 1e6  # nothing has changed
        index.aim(recall=0.9)
        index.settle()
        assert index.info().generation == 2
        assert 0 < (index.info().latency_ms or 0) < 1e5
        assert 0 < (index.info().latency_p99_ms or 0) < 1e5
    stale()
    catalog = Catalog(published, writable=True)
    with catalog.writing():
        catalog.delete(range(100, 3001))
    catalog.database.close()
    with Index.open(published, writable=True) as index:
        index.settle()
        assert index.info().structure == "exact"
        assert 0 < (index.info().latency_ms or 0) < 1e5


@pytest.fixture
def outgrown(
    published: Path, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A limit that was met once, with a generation that has fallen behind."""
    return once("outgrown", outgrow, published, built, tmp_path_factory)


def outgrow(published: Path) -> None:
    with Index.open(published, writable=True) as index:
        index.aim(memory=300_000)
        index.settle()
    catalog = Catalog(published, writable=True)
    insert(catalog, clustered(30_000, 24, seed=4), paths_of(30_000, first=3000))
    catalog.database.close()


def test_a_collection_that_has_outgrown_its_memory_says_so_and_goes_on(
    outgrown: Path, rows: Vectors
) -> None:
    with Index.open(outgrown, writable=True) as index:
        before = index.info()
        index.settle(reporter=(heard := Heard()))
        (message,) = heard.messages
        assert "33,000 items fits into 300,000 bytes" in message
        assert "--memory" in message
        assert index.info().generation == before.generation == 2
        assert index.search_vector(rows[0], 1).ids.tolist() == [1]
        assert index.search_vector(clustered(30_000, 24, seed=4)[9], 1).ids.tolist() == [3010]
        assert index.remove(["/pictures/odd/01/000001.png"], reporter=heard) == 1
        assert len(heard.messages) == 2


def test_an_outgrown_generation_that_is_damaged_is_given_up(outgrown: Path, rows: Vectors) -> None:
    flip(file_of(outgrown))
    with Index.open(outgrown, writable=True, reporter=(heard := Heard())) as index:
        assert any("fits into 300,000 bytes" in message for message in heard.messages)
        assert index.info().structure == "exact"
        assert index.search_vector(rows[0], 1).ids.tolist() == [1]
    with Index.open(outgrown, writable=True, reporter=(heard := Heard())):
        assert heard.messages == []


@pytest.mark.parametrize(
    "goal", [{"recall": 0.0}, {"recall": 1.5}, {"memory": 0}, {"memory": math.nan}]
)
def test_goals_out_of_range_are_refused(published: Path, goal: dict[str, float]) -> None:
    with Index.open(published, writable=True) as index, pytest.raises(UsageError):
        index.aim(**goal)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [True, False])
def test_a_generation_of_which_nothing_is_left(
    published: Path, rows: Vectors, *, before: bool
) -> None:
    """As while a writer has removed everything and not yet retired it."""
    with Index.open(published) as index:
        if before:
            assert len(index.search_vector(rows[0], 5)) == 5
        catalog = Catalog(published, writable=True)
        with catalog.writing():
            catalog.delete(range(1, len(rows) + 1))
        catalog.database.close()
        assert len(index.search_vector(rows[0], 5)) == 0
        assert (index.search_vectors(rows[:2], 5).ids == -1).all()
