"""A collection of vectors that were made elsewhere, before and after an encoder is attached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.encoder_file import NoEncoderError
from clr_search.index.repair import repair
from clr_search.index.sync.mend import mend
from clr_search.progress import Silent
from tests.index.made import Vectors, as_stored, clustered, sqlite_of
from tests.tiny import write_tiny_encoder

COUNT, DIMENSION = 40, 16


@pytest.fixture
def rows() -> Vectors:
    return clustered(COUNT, DIMENSION, seed=5)


@pytest.fixture
def path(tmp_path: Path, rows: Vectors) -> Path:
    """A collection of `rows`, under ids that are their positions + 1."""
    with Index.create(tmp_path / "v.clr", dimension=DIMENSION) as index:
        index.add_vectors(rows, names(), root=tmp_path / "away")
    return tmp_path / "v.clr"


def names() -> list[str]:
    return [f"{'ab'[n % 2]}/{n:03d}.png" for n in range(COUNT)]


def test_it_is_searched_by_items_and_by_vectors(path: Path, rows: Vectors, tmp_path: Path) -> None:
    assert not (path / "encoder.onnx").exists()
    with Index.open(path) as index:
        assert index.search_vector(5 * rows[6], 1).ids.tolist() == [7]
        assert index.search_vectors(rows, 1).ids.ravel().tolist() == list(range(1, COUNT + 1))
        by_id = index.search(7, 5, label="a")
        assert 7 not in by_id.ids
        assert set(by_id.labels) == {"a"}
        # Its path names an item, though no file is there.
        assert index.search(tmp_path / "away" / "a/006.png", 5, label="a").ids.tolist() == (
            by_id.ids.tolist()
        )
        info = index.info()
        assert (info.encoder_name, info.encoder_sha256, info.dimension) == ("", "", DIMENSION)
        assert not info.older_decoding
        assert "no encoder of its own" in repr(index)


def test_the_path_of_an_item_is_its_vector_though_a_file_is_there(
    tmp_path: Path, pictures: Path, rows: Vectors
) -> None:
    files = sorted(pictures.rglob("*.png"))[:3]
    with Index.create(tmp_path / "v.clr", dimension=DIMENSION) as index:
        index.add_vectors(rows[:3], files)
        assert index.search(files[1], 1, include_self=True).scores[0] > 0.9999


@pytest.mark.parametrize(
    "work",
    [
        lambda index, pictures: index.search(pictures / "red" / "red00.jpg"),
        lambda index, pictures: index.search((pictures / "red" / "red00.jpg").read_bytes()),
        lambda index, _: index.search(np.zeros((9, 9, 3), np.uint8)),
        lambda index, pictures: index.search(1, like=[pictures / "red" / "red00.jpg"]),
        lambda index, pictures: index.update([pictures]),
        lambda index, pictures: index.add([pictures]),
        lambda index, _: index.encoder,
        lambda index, _: index.require_encoder(),
    ],
)
def test_what_needs_an_encoder_says_so_and_changes_nothing(
    path: Path, pictures: Path, work: Callable[[Index, Path], object]
) -> None:
    with Index.open(path, writable=True) as index:
        before = index.revision
        with pytest.raises(NoEncoderError) as refused:
            work(index, pictures)
        assert (index.revision, len(index)) == (before, COUNT)
    assert refused.value.exit_code == 2
    assert refused.value.what == (
        f"{path} has no encoder, which this needs: its vectors, of length 16, were made elsewhere."
    )
    assert refused.value.remedy.endswith(
        f"clr-search build-index --index {path} --encoder encoder.onnx"
    )


def test_an_encoder_of_that_length_is_attached(
    path: Path, pictures: Path, tiny_encoder: Path, rows: Vectors
) -> None:
    with Index.open(path) as reader:
        before = reader.search(3, 5).ids.tolist()
        with Index.create(path, tiny_encoder) as index:
            assert (len(index), index.info().encoder_name) == (COUNT, index.encoder.card.name)
            np.testing.assert_array_equal(index.vectors()[1], as_stored(rows))
        # One that is open already sees it.
        query = pictures / "red" / "red00.jpg"
        vector = reader.encoder.encode(query)[0]
        assert reader.search(query, 3).ids.tolist() == reader.search_vector(vector, 3).ids.tolist()
        assert reader.search(3, 5).ids.tolist() == before
    with Index.open(path, writable=True) as index:
        assert index.update([pictures]).added == 36


def test_another_length_is_refused(path: Path, tmp_path: Path) -> None:
    wide = write_tiny_encoder(tmp_path / "wide.onnx", dimension=24)
    with pytest.raises(UsageError, match=r"wide\.onnx have 24 values; these have 16"):
        Index.create(path, wide)
    with pytest.raises(UsageError, match=r"have 16 values, not 24"):
        Index.create(path, dimension=24)
    assert not (path / "encoder.onnx").exists()
    with pytest.raises(UsageError, match="24 values; these have 16"):
        Index.create(tmp_path / "new.clr", wide, dimension=16)
    for wrong in (0, -1, 65_537):
        with pytest.raises(UsageError, match=r"1 to 65,536 values"):
            Index.create(tmp_path / "new.clr", dimension=wrong)
    assert not (tmp_path / "new.clr").exists()


def test_more_vectors_come_in(path: Path, rows: Vectors, tmp_path: Path) -> None:
    with Index.create(path, dimension=DIMENSION) as index:
        assert index.add_vectors(rows, names(), root=tmp_path / "away").unchanged == COUNT
        assert index.add_vectors(-rows[:1], ["c/new.png"], root=tmp_path / "away").added == 1


def test_a_rebuild_gives_it_the_encoder_that_embeds_its_pictures(
    tmp_path: Path, pictures: Path, rows: Vectors, tiny_encoder: Path
) -> None:
    files = sorted(pictures.rglob("*.png"))[:3]
    with Index.create(tmp_path / "v.clr", dimension=DIMENSION) as index:
        index.add_vectors(rows[:3], files)
        assert index.rebuild(tiny_encoder).changed == 3
        assert index.search(files[1], 1).ids.size == 1
        index.require_encoder()


def test_a_repair_keeps_it_as_it_is(path: Path, rows: Vectors) -> None:
    with sqlite_of(path) as connection:
        row = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'items_by_sha256'"
        ).fetchone()
    with (path / "catalog.sqlite").open("r+b") as file:
        file.seek((row[0] - 1) * 16384)
        file.write(b"\x5a" * 16384)
    result = repair(path)
    assert (result.kept, result.whole) == (COUNT, False)
    with Index.open(path) as index:
        np.testing.assert_array_equal(index.vectors()[1], as_stored(rows))
        with pytest.raises(NoEncoderError):
            index.require_encoder()


def test_a_damaged_vector_leaves(path: Path) -> None:
    with sqlite_of(path) as connection:
        connection.execute("UPDATE items SET checksum = checksum + 1 WHERE id = 4")
    (lost,) = mend(path, Silent()).lost
    assert lost.path.name == "003.png"
    assert "made elsewhere" in lost.reason
    with Index.open(path) as index:
        assert len(index) == COUNT - 1
