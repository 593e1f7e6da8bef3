"""Damaged catalogues: what can be read is saved, and nothing is invented."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFile
from clr_search.index import Index
from clr_search.index import repair as repairing
from clr_search.index.repair import DAMAGED, REPAIRED, repair
from tests.index.made import rows_of, sqlite_of, write_noise

COUNT, PAGE = 400, 16384


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_noise(tmp_path_factory.mktemp("salvage") / "photos", COUNT)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def whole(photos: Path, tiny_encoder: Path) -> Path:
    path = photos.parent / "whole.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([photos])
    assert not (path / "catalog.sqlite-wal").exists()
    return path


@pytest.fixture
def collection(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photos.clr"
    shutil.copytree(whole, path)
    return path


def pages_of(collection: Path, table: str) -> list[int]:
    """Numbers of the pages of a table or index, the first being its root."""
    connection = sqlite_of(collection)
    try:
        rows = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = ? ORDER BY path", (table,)
        ).fetchall()
    except Exception:  # noqa: BLE001  # a build of SQLite without dbstat
        pytest.skip("this SQLite has no dbstat")
    finally:
        connection.close()
    return [number for (number,) in rows]


def page_of_last(collection: Path) -> int:
    """Number of the page that holds the items of the greatest ids."""
    return pages_of(collection, "items")[-1]


def overwrite(collection: Path, page: int, seed: int = 0) -> None:
    """Put noise into a page."""
    noise = np.random.default_rng(seed).integers(0, 256, PAGE, np.uint8).tobytes()
    with (collection / "catalog.sqlite").open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(noise)


def test_nothing_is_done_to_a_whole_one(collection: Path) -> None:
    before = (collection / "catalog.sqlite").read_bytes()
    result = repair(collection)
    assert (result.kept, result.lost, result.whole, result.damaged) == (COUNT, 0, True, None)
    assert (collection / "catalog.sqlite").read_bytes() == before


def test_all_but_a_lost_page_is_saved_and_the_next_update_brings_the_rest(
    collection: Path, whole: Path, photos: Path
) -> None:
    pages = pages_of(collection, "items")
    assert len(pages) > 4
    overwrite(collection, pages[2])
    with pytest.raises(ClrSearchError, match="is damaged") as caught, Index.open(collection) as one:
        one.vectors()
    assert "clr-search repair" in caught.value.remedy
    result = repair(collection)
    assert not result.whole
    assert result.kept + (result.lost or 0) == COUNT
    assert 0 < (result.lost or 0) < COUNT / 2
    expected, found = rows_of(whole), rows_of(collection)
    assert len(found) == result.kept
    assert all(expected[path] == row for path, row in found.items())
    with Index.open(collection, writable=True) as index:
        assert [entry.path.name for entry in index.skipped()] == ["broken.png"]
        report = index.update([photos])
        assert (report.added, report.unchanged) == (result.lost, result.kept)
    assert rows_of(collection).keys() == expected.keys()


def test_a_damaged_index_of_sqlite_costs_nothing(collection: Path, whole: Path) -> None:
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    result = repair(collection)
    assert (result.kept, result.lost, result.whole) == (COUNT, 0, False)
    assert rows_of(collection) == rows_of(whole)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_damaged_nothing_is_invented(collection: Path, whole: Path, seed: int) -> None:
    """A few pages of noise, or an end that is missing."""
    chance = np.random.default_rng(seed)
    path = collection / "catalog.sqlite"
    count = path.stat().st_size // PAGE
    for page in chance.choice(np.arange(2, count + 1), 3, replace=False):
        overwrite(collection, int(page), seed)
    if seed % 3 == 0:
        with path.open("r+b") as file:
            file.truncate(int(chance.integers(PAGE, count * PAGE)))
    try:
        result = repair(collection)
    except ClrSearchError as error:
        if "Nothing can be read" not in error.what:
            raise
        assert path.exists()
        return
    expected, found = rows_of(whole), rows_of(collection)
    assert len(found) == result.kept
    assert all(expected[name] == row for name, row in found.items())
    with Index.open(collection) as index:
        ids, rows = index.vectors()
        assert len(ids) == result.kept
        for row in rows[:20]:
            assert index.search_vector(row, 1).scores[0] == pytest.approx(1, abs=1e-3)


def test_where_nothing_can_be_read_it_says_so_and_changes_nothing(collection: Path) -> None:
    overwrite(collection, 1)
    before = (collection / "catalog.sqlite").read_bytes()
    with pytest.raises(ClrSearchError, match="Nothing can be read of") as caught:
        repair(collection)
    assert "backup" in caught.value.remedy
    assert (collection / "catalog.sqlite").read_bytes() == before
    assert not (collection / REPAIRED).exists()


@pytest.mark.parametrize("step", range(5))
def test_cut_short_at_any_rename_it_is_finished_by_the_next(
    collection: Path, whole: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    rename, done = OwnFile.rename, 0

    def cut(file: OwnFile, target: OwnFile) -> None:
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        rename(file, target)

    monkeypatch.setattr(OwnFile, "rename", cut)
    try:
        repair(collection)
    except KeyboardInterrupt:
        monkeypatch.setattr(OwnFile, "rename", rename)
        if (collection / REPAIRED).exists():
            with pytest.raises(UsageError, match="was cut short") as caught:
                Index.open(collection)
            assert "clr-search repair" in caught.value.remedy
        repair(collection)
    else:
        assert step >= 3
    assert rows_of(collection) == rows_of(whole)
    assert (collection / DAMAGED).exists()


def test_a_wal_that_is_left_over_is_read_and_never_taken_for_that_of_the_new_one(
    collection: Path, whole: Path
) -> None:
    connection = sqlite_of(collection)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("UPDATE items SET label = 'in the wal'")
    living = collection.with_name("living.clr")
    shutil.copytree(collection, living)  # as a power cut would leave it
    connection.close()
    assert (living / "catalog.sqlite-wal").stat().st_size > 0
    overwrite(living, pages_of(whole, "items_by_revision")[0])
    repair(living)
    again = sqlite_of(living)
    assert again.execute("SELECT DISTINCT label FROM items").fetchall() == [("in the wal",)]
    again.close()
    assert rows_of(living) == rows_of(whole)


def test_damaged_ones_of_earlier_repairs_are_kept(collection: Path) -> None:
    for number in range(3):
        overwrite(collection, pages_of(collection, "items_by_sha256")[0], number)
        repair(collection)
    names = {path.name for path in collection.iterdir()}
    assert {DAMAGED, f"{DAMAGED}.1", f"{DAMAGED}.2"} <= names


def test_another_encoder_is_no_help(collection: Path) -> None:
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    (collection / "encoder.onnx").unlink()
    with pytest.raises(ClrSearchError, match=r"encoder.onnx is missing, or not the encoder"):
        repair(collection)


def test_a_writer_is_not_disturbed(collection: Path) -> None:
    with (
        Index.open(collection, writable=True),
        pytest.raises(UsageError, match="being written to"),
    ):
        repair(collection)


def test_goal_and_numbers_that_were_given_go_over(collection: Path) -> None:
    """So that no id is used twice, and the next structure is what was asked for."""
    with Index.open(collection, writable=True) as index:
        index.aim(recall=0.91, memory=123_456_789)
        last = max(index.ids())
        index.remove([index.item(last).path])
    connection = sqlite_of(collection)
    connection.execute("INSERT INTO meta VALUES ('last_generation', 7)")
    connection.close()
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    repair(collection)
    connection = sqlite_of(collection)
    kept = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    connection.close()
    goal = {"recall": 0.91, "memory": 123_456_789, "graph": False, "serve": None}
    assert json.loads(kept["goal"]) == goal
    assert kept["last_generation"] == 7
    with Index.open(collection, writable=True) as index:
        report = index.update([next(iter(index.info().roots))])
        assert report.added == 1
        assert max(index.ids()) == last + 1


@pytest.mark.parametrize("goal", ["no JSON", '{"recall": 7}', "[]", 3])
def test_a_goal_that_makes_no_sense_does_not(collection: Path, goal: object) -> None:
    connection = sqlite_of(collection)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('goal', ?)", (goal,))
    connection.close()
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    repair(collection)
    with Index.open(collection, writable=True) as index:
        index.settle()
        assert len(index) == COUNT


def test_no_id_is_used_twice_where_nothing_tells_the_last(collection: Path) -> None:
    """Those that are lost are counted, too: here the last ones."""
    (root,), last = (Index.open(collection).info().roots, COUNT)
    overwrite(collection, pages_of(collection, "sqlite_sequence")[0])
    overwrite(collection, page_of_last(collection))
    lost = repair(collection).lost
    assert lost
    with Index.open(collection, writable=True) as index:
        assert max(index.ids()) == last - lost
        index.update([root])
        assert len(index) == COUNT
        assert max(index.ids()) == last + lost


def test_building_does_not_go_on_over_a_repair_that_was_cut_short(
    collection: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(collection, pages_of(collection, "items_by_sha256")[0])
    with monkeypatch.context() as context:
        context.setattr(repairing, "_exchange", lambda folder: None)
        context.setattr(repairing.salvage, "item_count", lambda path: 0)
        repair(collection)
    for renamed in (False, True):
        if renamed:
            (collection / "catalog.sqlite").rename(collection / DAMAGED)
        with pytest.raises(UsageError, match="was cut short") as caught:
            Index.create(collection)
        assert "clr-search repair" in caught.value.remedy
    repair(collection)
    with Index.create(collection) as index:
        assert len(index) == COUNT


@pytest.mark.parametrize("content", ["empty", "another program's"])
def test_what_is_no_catalogue_is_refused_and_left(collection: Path, content: str) -> None:
    path = collection / "catalog.sqlite"
    path.unlink()
    if content == "empty":
        path.touch()
    else:
        connection = sqlite_of(collection)
        connection.execute("CREATE TABLE songs (title)")
        connection.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is no catalogue of a collection") as caught:
        repair(collection)
    assert "backup" in caught.value.remedy
    assert path.read_bytes() == before


def test_what_a_killed_repair_has_left_goes_with_the_next(collection: Path) -> None:
    left = collection / ".repair.0123abcd"
    left.mkdir()
    (left / "catalog.sqlite").write_bytes(b"half")
    assert repair(collection).whole
    assert not left.exists()


def test_given_labels_are_saved(collection: Path) -> None:
    with Index.open(collection, writable=True) as index:
        index.label({1: "first", 2: "second"})
    overwrite(collection, pages_of(collection, "items")[2])
    assert not repair(collection).whole
    with Index.open(collection, writable=True) as index:
        kept = [index[number].label for number in (1, 2) if number in index]
        assert set(kept) <= {"first", "second"}
        assert index.labels().count(None) == len(index) - len(kept)
        with index.snapshot():
            assert index._catalog.labels_are_given()


def test_what_is_known_beside_the_files_is_saved(collection: Path) -> None:
    with Index.open(collection, writable=True) as index:
        index.give_columns({"price": {1: 2.5, 2: 3.0}, "colour": {1: "red"}})
        index.dismiss([1, 2])
        index.select(exclude=["previews"])
        columns, dismissed = index.columns(), index.dismissed()
    overwrite(collection, pages_of(collection, "items")[-1])
    assert not repair(collection).whole
    with Index.open(collection, writable=True) as index:
        assert index.columns() == columns
        assert index.values([1, 2], "price") == {1: 2.5, 2: 3.0}
        assert index.values([1, 2], "colour") == {1: "red"}
        assert index.dismissed() == dismissed
        with index.snapshot():
            assert index._catalog.selection().exclude[-1] == "previews"
            assert index._catalog.home() == str(collection)


def test_rows_that_make_no_sense_are_left_behind(collection: Path) -> None:
    connection = sqlite_of(collection)
    connection.execute("INSERT INTO cells VALUES (1, 'first', x'00')")
    connection.execute("INSERT OR REPLACE INTO exif VALUES (1, 7, x'00', 'north', 0.5)")
    connection.execute("INSERT INTO dismissed VALUES (x'00', 'b', 'c')")
    connection.execute("UPDATE meta SET value = 5 WHERE key IN ('home', 'selection')")
    connection.commit()
    connection.close()
    overwrite(collection, pages_of(collection, "items")[-1])
    assert not repair(collection).whole
    connection = sqlite_of(collection)
    for table in ("cells", "dismissed"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert connection.execute("SELECT item FROM exif WHERE camera = x'00'").fetchall() == []
