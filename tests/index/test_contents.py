"""Nothing is read, changed or deleted through a link, pipe or folder in place of our files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from clr_search.cli.main import main
from clr_search.errors import ClrSearchError
from clr_search.files.nofollow import NotOursError
from clr_search.files.own import OwnFolder
from clr_search.index import Index, contents, maintenance
from clr_search.index.ann import structures
from tests.index.made import write_noise

NAMES = (
    "lock catalog.sqlite catalog.sqlite-wal catalog.sqlite-shm catalog.sqlite-journal "
    "catalog.repaired.sqlite catalog.damaged.sqlite encoder.onnx encoder.next.onnx ann "
    "ann/1.faiss ann/1.vectors ann/7.faiss ann/.1.faiss.0123abcd.tmp"
).split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Iterator[Path]:
    """A collection with a search structure, and its pictures beside it."""
    place = tmp_path_factory.mktemp("whole")
    photos = write_noise(place / "photos", 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structures, "EXACT_ITEMS", 50)
        patch.setattr(maintenance, "MOST_BESIDE", 0)
        with Index.create(place / "x.clr", tiny_encoder) as index:
            index.update([photos])
            assert index.info().generation == 1
        yield place


@pytest.fixture
def collection(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "x.clr", tmp_path / "x.clr"))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder and a file of the person who has unpacked the collection."""
    (tmp_path / "mine").mkdir()
    for name in ("thesis.txt", "1.faiss", "7.faiss", "catalog.sqlite"):
        (tmp_path / "mine" / name).write_text("my thesis")
    return tmp_path / "mine"


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    """Nothing waits for a pipe."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def put(kind: str, path: Path, mine: Path) -> None:
    """Puts something that is no file of ours in the place of a file."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "link to a file":
        path.symlink_to(mine / "thesis.txt")
    elif kind == "link to a folder":
        path.symlink_to(mine)
    elif kind == "link to nothing":
        path.symlink_to(mine / "new.txt")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        socket.socket(socket.AF_UNIX).bind(path.name)
        os.chdir(here)
    else:
        path.mkdir()
        (path / "thesis.txt").write_text("my thesis")


def state(mine: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in mine.iterdir()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe", "folder"])
def test_every_command_refuses_it_by_name(
    name: str, kind: str, collection: Path, mine: Path, whole: Path
) -> None:
    if name == "ann" and kind == "folder":
        pytest.skip("it is one")
    put(kind, collection / name, mine)
    before = state(mine)
    photos, x = str(whole / "photos"), str(collection)
    picture = next((whole / "photos").rglob("*.png"))
    for command in (
        ["info", x],
        ["search", x, str(picture), "-k", "1"],
        ["repair", x],
        ["add", x, photos],
        ["remove", x, photos],
        ["build-index", photos, "--index", x],
        ["export-site", x, "--out", f"{x}.site"],
        ["duplicates", x],
        ["serve", x, "--port", "0"],
    ):
        result = CliRunner().invoke(main, command)
        text = result.output
        assert result.exit_code in (1, 2), (command, text)
        assert "unexpected" not in text
        assert Path(name).name in text, (command, text)
        assert "where clr-search keeps a" in text, (command, text)
        assert "Delete" in text
        assert state(mine) == before
        if kind == "folder":
            assert (collection / name / "thesis.txt").read_text() == "my thesis"


@pytest.mark.parametrize("name", ["ann", "lock", "catalog.sqlite-shm", "encoder.onnx"])
@pytest.mark.parametrize("kind", ["link to nothing", "socket"])
def test_other_kinds_are_refused_too(name: str, kind: str, collection: Path, mine: Path) -> None:
    put(kind, collection / name, mine)
    for writable in (False, True):
        with pytest.raises(NotOursError, match="where clr-search keeps a"):
            Index.open(collection, writable=writable)
    assert not (mine / "new.txt").exists()


@pytest.mark.parametrize("name", ["lock", "catalog.sqlite-wal", "catalog.sqlite-shm"])
def test_what_is_changed_in_place_has_one_name(name: str, collection: Path, mine: Path) -> None:
    (collection / name).unlink(missing_ok=True)
    os.link(mine / "thesis.txt", collection / name)
    before = state(mine)
    with pytest.raises(NotOursError, match="second name"):
        Index.open(collection, writable=True)
    assert state(mine) == before


def test_a_link_to_a_collection_is_followed(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "link.clr").symlink_to(collection)
    with Index.open(tmp_path / "link.clr", writable=True) as index:
        assert len(index) == 60


def test_foreign_files_in_our_folders_stay(collection: Path) -> None:
    strange = [
        collection / "ann" / "thesis.txt",
        collection / "ann" / ".7.faiss.mine.tmp",
        collection / ".repair.0123abcd" / "thesis.txt",
        collection / ".encoder.onnx.mine.tmp",
    ]
    (collection / ".repair.0123abcd").mkdir()
    for path in strange:
        path.write_text("my thesis")
    (collection / "ann" / "7.faiss").write_text("left over")
    assert CliRunner().invoke(main, ["repair", str(collection)]).exit_code == 0
    assert all(path.read_text() == "my thesis" for path in strange)
    assert not (collection / "ann" / "7.faiss").exists()


def test_a_folder_that_becomes_a_link_while_it_is_used(
    collection: Path, mine: Path, whole: Path
) -> None:
    """The next search structure is refused, or goes to the folder that was opened."""
    before = state(mine)
    with Index.open(collection, writable=True) as index:
        put("link to a folder", collection / "ann", mine)
        index.aim(recall=0.5)
        with pytest.raises(NotOursError, match="ann is a link"):
            index.settle()
    assert state(mine) == before


def test_a_collection_whose_name_becomes_a_link_while_it_is_used(
    collection: Path, mine: Path, whole: Path
) -> None:
    before = state(mine)
    moved = collection.with_name("moved.clr")
    with Index.open(collection, writable=True) as index:
        collection.rename(moved)
        collection.symlink_to(mine)
        index.aim(recall=0.5)
        index.settle()
        assert index.search_vector(np.ones(16), 1)
    assert state(mine) == before
    collection.unlink()
    with Index.open(moved) as index:
        assert index.info().generation == 2


def test_what_a_folder_holds(collection: Path) -> None:
    folder = OwnFolder(collection)
    contents.require_ours(folder)
    assert contents.is_collection(folder)
    assert not contents.is_half_made(folder)
    sizes = [path.stat().st_size for path in collection.rglob("*") if path.is_file()]
    assert contents.size(folder) == sum(sizes)


def test_an_error_is_one_of_ours() -> None:
    assert issubclass(NotOursError, ClrSearchError)
