"""Stored vectors carry their checksum: what has changed on disk is noticed, named, and mended."""

from __future__ import annotations

import shutil
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFolder
from clr_search.index import Index
from clr_search.index.catalog import staging
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content
from clr_search.index.repair import repair
from clr_search.index.sync.mend import Mended, mend
from clr_search.progress import Silent
from tests.index.made import clustered, rows_of, sqlite_of, write_noise, write_vectors

DAMAGED = 7
"""Id of the item whose stored vector is changed."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("checksums") / "photos", 20)


@pytest.fixture(scope="module")
def whole(photos: Path, tiny_encoder: Path) -> Path:
    path = photos.parent / "whole.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([photos])
    return path


@pytest.fixture
def collection(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photos.clr"
    shutil.copytree(whole, path)
    return path


def stored(collection: Path, number: int = DAMAGED) -> tuple[bytes, int]:
    """Embedding and checksum of an item."""
    with closing(sqlite_of(collection)) as connection:
        row = connection.execute("SELECT embedding, checksum FROM items WHERE id = ?", [number])
        embedding, checksum = row.fetchone()
    return embedding, checksum


def store(collection: Path, embedding: object, checksum: object, number: int = DAMAGED) -> None:
    """Put values into an item, past all our code."""
    with closing(sqlite_of(collection)) as connection:
        connection.execute(
            "UPDATE items SET embedding = ?, checksum = ? WHERE id = ?",
            [embedding, checksum, number],
        )


def flipped(blob: bytes, bit: int) -> bytes:
    """A blob with one bit changed."""
    changed = bytearray(blob)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def path_of(collection: Path, number: int = DAMAGED) -> Path:
    with Index.open(collection) as index:
        return index.item(number).path


def refused(collection: Path) -> None:
    """Every way to read the vector says which picture it is of, and what to do."""
    path = path_of(collection)
    with Index.open(collection) as index:
        for reading in (
            index.embeddings,
            index.vectors,
            lambda: index.vectors_of([DAMAGED]),
            lambda: index.search(DAMAGED, 3),
            lambda: index.search(path, 3),
            lambda: index.search(1, 3),
        ):
            with pytest.raises(ClrSearchError, match="A stored vector changed on disk") as caught:
                reading()
            assert str(path) in caught.value.what
            assert f"clr-search repair {collection}" in caught.value.remedy


@pytest.mark.parametrize("bit", range(16))
def test_each_bit_of_a_number(collection: Path, whole: Path, bit: int) -> None:
    """Sign, exponent and mantissa; most leave a vector that nothing else tells from another."""
    embedding, checksum = stored(collection)
    store(collection, flipped(embedding, 16 + bit), checksum)
    refused(collection)
    assert mend(collection, Silent()).embedded == (path_of(collection),)
    assert rows_of(collection) == rows_of(whole)


@pytest.mark.parametrize("bit", range(32))
def test_each_bit_of_the_checksum(collection: Path, whole: Path, bit: int) -> None:
    embedding, checksum = stored(collection)
    store(collection, embedding, checksum ^ 1 << bit)
    assert mend(collection, Silent()).embedded == (path_of(collection),)
    assert stored(collection) == (embedding, checksum)
    assert mend(collection, Silent()).embedded == ()


@pytest.mark.parametrize(
    ("embedding", "checksum"),
    [
        (b"", 0),
        (b"\0\0", zlib.crc32(b"\0\0")),
        ("text", 5),
        (3, 5),
        (None, -1),
        ("same", "text"),
        ("same", -1),
        ("same", 2.5),
    ],
)
def test_values_of_another_kind(
    collection: Path, whole: Path, embedding: object, checksum: object
) -> None:
    if embedding == "same":
        embedding = stored(collection)[0]
    with closing(sqlite_of(collection)) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # a flipped bit heeds no NOT NULL
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'BLOB NOT NULL', 'BLOB')")
    store(collection, embedding, checksum)
    with closing(sqlite_of(collection)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'embedding BLOB,  ', "
            "'embedding BLOB NOT NULL,  ') WHERE name = 'items'"
        )
    with Index.open(collection) as index, pytest.raises(ClrSearchError, match="changed on disk"):
        index.vectors()
    if embedding is not None:  # SQLite itself finds a NULL, and the item is lost with it
        assert mend(collection, Silent()).embedded == (path_of(collection),)
        assert rows_of(collection) == rows_of(whole)


def test_a_whole_collection_is_left_as_it_is(collection: Path) -> None:
    before = (collection / "catalog.sqlite").read_bytes()
    assert repair(collection).whole
    assert mend(collection, Silent()) == Mended()
    assert (collection / "catalog.sqlite").read_bytes() == before


def test_no_search_structure_is_made_of_it(many: Path, small_limits: None) -> None:
    embedding, checksum = stored(many)
    store(many, flipped(embedding, 3), checksum)
    with (
        Index.open(many, writable=True) as index,
        pytest.raises(ClrSearchError, match=r"A stored vector changed on disk, of .*000006.png"),
    ):
        index.settle()
    assert not list(many.glob("ann/*.faiss"))


def test_with_a_structure_it_is_noticed_when_that_is_made_anew(
    many: Path, small_limits: None
) -> None:
    """Searches go on by the file of the generation, whose vectors have a checksum of their own."""
    with Index.open(many, writable=True) as index:
        index.settle()
        before = index.search(1, 10)
    embedding, checksum = stored(many)
    store(many, flipped(embedding, 3), checksum)
    with Index.open(many) as index:
        assert index.search(1, 10) == before
    (faiss,) = many.glob("ann/*.faiss")
    faiss.unlink()
    with pytest.raises(ClrSearchError, match="changed on disk"):
        Index.open(many, writable=True, reporter=Silent())


def test_many_are_counted_and_some_named(many: Path) -> None:
    for number in range(10, 25):
        embedding, checksum = stored(many, number)
        store(many, flipped(embedding, number), checksum, number)
    with Index.open(many) as index, pytest.raises(ClrSearchError) as caught:
        index.vectors()
    assert "15 stored vectors changed on disk, of " in caught.value.what
    assert "000009.png" in caught.value.what
    assert "000012.png and others" not in caught.value.what


def test_vectors_that_were_added_have_one_too(collection: Path) -> None:
    rows = clustered(3, len(stored(collection)[0]) // 2)
    with Index.open(collection, writable=True) as index:
        index.add_vectors(rows, ["a.png", "b.png", "c.png"], root="/elsewhere")
        number = max(index.ids())
    embedding, checksum = stored(collection, number)
    assert checksum == zlib.crc32(embedding)
    store(collection, flipped(embedding, 9), checksum, number)
    mended = mend(collection, Silent())
    ((lost),) = mended.lost
    assert lost.path == Path("/elsewhere/c.png")
    with Index.open(collection) as index:
        assert number not in index.ids()
        assert len(index) == 22


def test_a_picture_that_is_gone_is_named_and_leaves(
    photos: Path, collection: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "copy"
    shutil.copytree(photos, elsewhere)
    with Index.open(collection, writable=True) as index:
        index.update([elsewhere])
        last = max(index.ids())
        gone = index.item(last).path
    gone.unlink()
    embedding, checksum = stored(collection, last)
    store(collection, flipped(embedding, 9), checksum, last)
    mended = mend(collection, Silent())
    assert ([item.path for item in mended.lost], mended.embedded) == ([gone], ())
    assert mended.lost[0].reason
    with Index.open(collection) as index:
        assert len(index.vectors()[0]) == 39


def test_a_copy_of_a_damaged_one_is_damaged_too(
    collection: Path, photos: Path, tmp_path: Path
) -> None:
    """A new file of known content takes over the stored vector, without its being read."""
    embedding, checksum = stored(collection)
    store(collection, flipped(embedding, 9), checksum)
    copy = tmp_path / "copies" / "copy.png"
    copy.parent.mkdir()
    shutil.copy(path_of(collection), copy)
    with (
        pytest.raises(ClrSearchError, match="2 stored vectors changed on disk"),
        Index.open(collection, writable=True) as index,
    ):
        index.add([copy.parent])
    assert set(mend(collection, Silent()).embedded) == {path_of(collection), copy}


def test_what_a_rebuild_has_staged_is_checked_when_it_goes_on(tmp_path: Path) -> None:
    catalog = Catalog(OwnFolder(write_vectors(tmp_path / "x.clr", clustered(3, 8))), writable=True)
    blob, state = stored(tmp_path / "x.clr", 1)[0], (10, 20)
    with catalog.writing():
        staging.begin(catalog, "new")
        for number in (1, 2):
            staging.keep(catalog, number, Content(*state, "ab" * 32, 30, 40, blob))
    catalog.database.close()
    with closing(sqlite_of(tmp_path / "x.clr")) as connection:
        connection.execute("UPDATE staged SET embedding = ? WHERE id = 2", [flipped(blob, 1)])
    catalog = Catalog(OwnFolder(tmp_path / "x.clr"), writable=False)
    with catalog.reading():
        assert staging.staged(catalog) == {1: state}


def test_it_survives_a_rebuild(collection: Path, tiny_encoder: Path) -> None:
    with Index.open(collection, writable=True) as index:
        index.rebuild(tiny_encoder)
    embedding, checksum = stored(collection)
    assert checksum == zlib.crc32(embedding)
