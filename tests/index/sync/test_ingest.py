"""Embeddings made elsewhere: what such items are, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.duplicates import find_duplicates
from clr_search.errors import UsageError
from clr_search.index import Filter, Index
from clr_search.index.ann import structures
from clr_search.index.repair import repair
from clr_search.index.sync import ingest
from tests.index.made import Heard, Vectors, as_stored, brute, clustered, sqlite_of

COUNT, DIMENSION = 60, 16


@pytest.fixture
def rows() -> Vectors:
    return clustered(COUNT, DIMENSION, seed=5)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "v.clr", tiny_encoder, reporter=Heard()) as index:
        yield index


def names(count: int = COUNT) -> list[str]:
    return [f"{'ab'[n % 2]}/{n:03d}.png" for n in range(count)]


def test_they_are_found_listed_and_filtered(index: Index, rows: Vectors, tmp_path: Path) -> None:
    report = index.add_vectors(3.5 * rows.astype(np.float64), names(), root=tmp_path / "away")
    assert (report.added, report.changed, report.unchanged) == (COUNT, 0, 0)
    held = index.embeddings()
    np.testing.assert_array_equal(held.vectors, as_stored(rows))
    assert list(held.paths) == [tmp_path / "away" / name for name in names()]
    assert held.labels == [name[0] for name in names()]
    found = index.search_vector(rows[7], 5)
    assert [number - 1 for number in found.ids] == brute(held.vectors, rows[7], 5)
    assert index.ids(label="b", under="b") == list(range(2, COUNT + 1, 2))
    assert tmp_path / "away" / "a" / "000.png" in index
    assert index.info().roots == (tmp_path / "away",)
    assert index.info().latency_ms is not None


def test_nothing_is_claimed_of_files_that_were_not_read(
    index: Index, rows: Vectors, tmp_path: Path
) -> None:
    index.add_vectors(np.concatenate([rows[:1], rows[:1]]), ["x.png", "y.png"], root=tmp_path / "p")
    one, other = index.items([1, 2])
    assert (one.size, one.mtime_ns, one.width, one.height) == (0, 0, 0, 0)
    assert one.sha256 != other.sha256  # the same vector is not the same file
    assert find_duplicates(index, exact=True).groups == ()
    with pytest.raises(UsageError, match="pass the filter"):
        index.ids(where=Filter(min_side=1))


def test_labels_that_are_given(index: Index, rows: Vectors, tmp_path: Path) -> None:
    labels = ["rose" if n % 3 else None for n in range(COUNT)]
    index.add_vectors(rows, names(), labels, root=tmp_path / "p")
    assert index.embeddings().labels == labels
    for same in (
        labels,
        np.array(labels, dtype=object),
        [None if x is None else np.str_(x) for x in labels],
    ):
        assert index.add_vectors(rows, names(), same, root=tmp_path / "p").unchanged == COUNT
    again = index.add_vectors(rows, names(), root=tmp_path / "p")
    assert again.changed == COUNT
    assert index.embeddings().labels == [name[0] for name in names()]


def test_the_same_again_changes_nothing_and_another_vector_keeps_the_id(
    index: Index, rows: Vectors, tmp_path: Path
) -> None:
    index.add_vectors(rows[:40], names(40), root=tmp_path / "p")
    other = np.concatenate([-rows[:5], rows[5:]])
    report = index.add_vectors(other, names(), root=tmp_path / "p")
    assert (report.added, report.changed, report.unchanged) == (20, 5, 35)
    held = index.embeddings()
    assert held.ids.tolist() == list(range(1, COUNT + 1))
    np.testing.assert_array_equal(held.vectors, as_stored(other))


def test_without_a_root_paths_are_absolute_or_of_the_working_folder(
    index: Index, rows: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Path
) -> None:
    index.update([pictures])
    monkeypatch.chdir(tmp_path)
    new = ["here/./x.png", pictures / "red" / "new.png"]
    index.add_vectors(rows[:2], new)
    assert tmp_path / "here" / "x.png" in index
    home = next(item for item in index.items(index.ids()) if item.path.name == "new.png")
    assert (home.root, home.relative, home.label) == (pictures, "red/new.png", "red")


def test_a_root_takes_in_those_below_it(index: Index, rows: Vectors, tmp_path: Path) -> None:
    index.add_vectors(rows[:2], ["x.png", "y.png"], root=tmp_path / "p" / "deep")
    index.add_vectors(rows[2:3], ["z.png"], root=tmp_path / "p")
    assert [item.relative for item in index.items(index.ids())] == [
        "deep/x.png",
        "deep/y.png",
        "z.png",
    ]
    assert index.info().roots == (tmp_path / "p",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows, paths: (rows[:, :5], paths), r"shape \(60, 5\); this collection needs"),
        (lambda rows, paths: (rows[0], paths), r"the shape \(16,\)"),
        (lambda rows, paths: (rows[1:], paths), "59 vectors, but 60 paths"),
        (lambda rows, paths: (0 * rows, paths), "Vector 0 has no direction"),
        (lambda rows, paths: (np.where(rows == rows[9, 3], np.nan, rows), paths), "Vector 9 has"),
        (lambda rows, paths: (np.where(rows == rows[9, 3], np.inf, rows), paths), "Vector 9 has"),
        (lambda rows, paths: (rows, [*paths[1:], paths[3]]), "is given twice"),
        (lambda rows, paths: (rows, [*paths[1:], "a/../" + paths[3]]), "is given twice"),
        (lambda rows, paths: (rows, [*paths[1:], "../x.png"]), "does not lie below"),
        (lambda rows, paths: (rows, [*paths[1:], "/x.png"]), "does not lie below"),
        (lambda rows, paths: (rows, [*paths[1:], ""]), "does not lie below"),
        (lambda rows, paths: (rows, [*paths[1:], "a\0b"]), "cannot be the path of a file"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_comes_in(
    index: Index, rows: Vectors, tmp_path: Path, change: object, message: str
) -> None:
    before = index.revision
    vectors, paths = change(rows, names())  # type: ignore[operator]
    with pytest.raises(UsageError, match=message):
        index.add_vectors(vectors, paths, root=tmp_path / "p")
    with pytest.raises(UsageError, match="60 vectors, but 1 labels"):
        index.add_vectors(rows, names(), ["one"], root=tmp_path / "p")
    with pytest.raises(UsageError, match="The label 3 is no text"):
        index.add_vectors(rows, names(), [3] * COUNT, root=tmp_path / "p")  # type: ignore[list-item]
    assert (len(index), index.revision) == (0, before)


def test_an_update_embeds_the_files_that_are_there_and_drops_the_others(
    index: Index, rows: Vectors, pictures: Path
) -> None:
    there = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    index.add_vectors(rows[: len(there) + 3], [*there, *names(3)], root=pictures)
    report = index.update([pictures])
    assert (report.changed, report.removed) == (len(there), 3)
    assert report.added == len(list(pictures.rglob("*.jpg")))
    item = index.item(1)
    assert item.size == (pictures / there[0]).stat().st_size
    assert item.width > 0
    assert index.search(pictures / there[0], 1, include_self=True).ids.tolist() == [1]
    assert index.search(pictures / there[0], 1, include_self=True).scores[0] > 0.999
    assert index.update([pictures]).unchanged == len(index)


def test_an_update_of_a_folder_that_is_not_there_keeps_them(
    index: Index, rows: Vectors, pictures: Path, tmp_path: Path
) -> None:
    index.add_vectors(rows, names(), root=tmp_path / "away")
    index.update([pictures])
    assert len(index) == COUNT + 36
    with pytest.raises(UsageError, match="There is no file or folder"):
        index.update([tmp_path / "away"])
    assert index.remove([tmp_path / "away"]) == COUNT
    assert index.info().roots == (pictures,)


def test_a_rebuild_refuses_what_has_no_files(
    index: Index, rows: Vectors, tmp_path: Path, tiny_encoder: Path
) -> None:
    index.add_vectors(rows, names(), root=tmp_path / "away")
    with pytest.raises(UsageError, match="None of the 60 pictures"):
        index.rebuild(tiny_encoder)
    assert len(index) == COUNT


def test_a_repair_keeps_them(index: Index, rows: Vectors, tmp_path: Path) -> None:
    index.add_vectors(rows, names(), root=tmp_path / "away")
    path = index.path
    index.close()
    with (path / "catalog.sqlite").open("r+b") as file:
        page = file_page(path)
        file.seek((page - 1) * 16384)
        file.write(b"\x5a" * 16384)
    result = repair(path)
    assert (result.kept, result.lost, result.whole) == (COUNT, 0, False)


def file_page(collection: Path) -> int:
    """Page of the index on SHA-256, whose loss costs nothing."""
    row = sqlite_of(collection).execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'items_by_sha256'"
    )
    return int(row.fetchone()[0])


def test_several_calls_and_one_structure(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 200)
    monkeypatch.setattr(ingest, "_COMMIT", 64)
    rows = clustered(400, DIMENSION)
    before = index.revision
    for start in (0, 200):
        part = [f"{n:03d}.png" for n in range(start, start + 200)]
        index.add_vectors(rows[start : start + 200], part, root=tmp_path / "p", settle=False)
    assert index.revision == before + 2 + 2 * 4  # the root, and a transaction a batch
    assert index.info().structure == "exact"
    index.settle()
    assert index.info().structure.startswith("IVF")
    assert index.search_vector(rows[3], 1).ids.tolist() == [4]


def test_a_reader_may_not(index: Index, rows: Vectors, tmp_path: Path) -> None:
    path = index.path
    index.close()
    with (
        Index.open(path) as reader,
        pytest.raises(UsageError, match="open for reading only"),
    ):
        reader.add_vectors(rows, names(), root=tmp_path / "p")
