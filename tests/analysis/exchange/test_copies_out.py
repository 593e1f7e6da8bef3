"""Lists and scripts of copies that could go, held against the disk as it is when they are made."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from clr_search.analysis.copies import Copy, Group
from clr_search.analysis.exchange.copies_out import Going, Marked, checked, written
from clr_search.index import Item

posix = pytest.mark.skipif(os.name != "posix", reason="names and links as POSIX has them")


def item(path: Path, number: int) -> Item:
    data = path.read_bytes()
    digest = sha256(data).hexdigest()
    status = path.stat()
    return Item(
        number,
        path.parent,
        path.name,
        None,
        8,
        8,
        len(data),
        status.st_mtime_ns,
        digest,
        "2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept.png").write_bytes(b"kept" * 10)
    (tmp_path / "copy.png").write_bytes(b"copy" * 9)
    return tmp_path


def marked(keep: list[Path], go: list[Path]) -> Marked:
    keeping = tuple(item(path, 1 + n) for n, path in enumerate(keep))
    return Marked(keeping, tuple(item(path, 11 + n) for n, path in enumerate(go)))


def test_what_is_as_it_was_could_go(folder: Path) -> None:
    going, left = checked(marked([folder / "kept.png"], [folder / "copy.png"]))
    assert [(one.item.path.name, one.kept.path.name, one.frees) for one in going] == [
        ("copy.png", "kept.png", 36)
    ]
    assert left == []


def test_proposals_and_marks() -> None:
    items = [Item(n, Path("/a"), f"{n}.png", None, 1, 1, 1, 1, "", "") for n in (1, 2, 3)]
    copies = tuple(Copy(one, keep=one.id != 3, exact=True, score=1, frees=0) for one in items)
    group = Group(copies, 1.0)
    assert [one.id for one in Marked.of(group).go] == [3]
    assert [one.id for one in Marked.of(group, [1, 99]).go] == [1]
    assert [one.id for one in Marked.of(group, [1, 99]).keep] == [2, 3]


@pytest.mark.parametrize("change", ["gone", "other bytes of that size"])
def test_without_what_is_kept_nothing_could_go(folder: Path, change: str) -> None:
    group = marked([folder / "kept.png"], [folder / "copy.png"])
    if change == "gone":
        (folder / "kept.png").unlink()
    else:
        (folder / "kept.png").write_bytes(b"keep" * 10)
    going, left = checked(group)
    assert going == []
    assert [one.path.name for one in left] == ["copy.png"]
    assert "what is kept" in left[0].why


def test_what_is_gone_or_has_changed_is_left_out(folder: Path) -> None:
    (folder / "other.png").write_bytes(b"other")
    group = marked([folder / "kept.png"], [folder / "copy.png", folder / "other.png"])
    (folder / "copy.png").unlink()
    (folder / "other.png").write_bytes(b"OTHER")
    going, left = checked(group)
    assert going == []
    assert [one.why for one in left] == [
        "it is gone, or cannot be reached",
        "it has changed since it was indexed",
    ]


@posix
def test_another_name_of_what_is_kept_does_not_go(folder: Path) -> None:
    """A person may keep a link and mark its target; by a linked folder both names are one file."""
    (folder / "link.png").symlink_to(folder / "copy.png")
    (folder / "hard.png").hardlink_to(folder / "copy.png")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    others = [folder / "copy.png", folder / "hard.png", folder / "again" / "copy.png"]
    going, left = checked(marked([folder / "link.png"], others))
    assert going == []
    assert {one.why for one in left} == {"it is another name of a file that is kept"}


@posix
def test_links_free_nothing_and_two_names_free_once(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder / "copy.png")
    (folder / "hard.png").hardlink_to(folder / "copy.png")
    names = [folder / "link.png", folder / "hard.png", folder / "copy.png"]
    going, _ = checked(marked([folder / "kept.png"], names))
    assert [one.frees for one in going] == [0, 36, 0]


def going_of(kept: Path, *paths: Path) -> list[Going]:
    return [Going(item(path, 7 + n), item(kept, 1), 5) for n, path in enumerate(paths)]


def test_a_list_has_a_path_a_line_and_a_table_the_rest(folder: Path) -> None:
    going = going_of(folder / "kept.png", folder / "copy.png")
    assert written("text", going, "c", "d") == os.fsencode(folder / "copy.png") + b"\n"
    head, line = written("csv", going, "c", "d").decode().splitlines()
    assert head == "path,kept,frees_bytes,id,kept_id"
    assert line == f"{folder / 'copy.png'},{folder / 'kept.png'},5,7,1"


NASTY = ["two\nlines.png", "$(touch pwned).png", "it's; touch pwned #.png", "-rf", "b\udcff.png"]


@posix
def test_nasty_names_go_whole(folder: Path) -> None:
    from clr_search.cli.path_lists import listed

    paths = [folder / name for name in NASTY]
    for path in paths:
        path.write_bytes(b"x")
    going = going_of(folder / "kept.png", *paths)
    assert listed(written("text", going, "c", "d")) == [str(path) for path in paths]
    assert os.fsencode(paths[-1]) in written("csv", going, "c", "d")


@posix
@pytest.mark.skipif(not shutil.which("sh"), reason="no shell")
def test_the_script_moves_and_deletes_nothing(folder: Path) -> None:
    paths = [folder / name for name in NASTY]
    for path in paths:
        path.write_bytes(path.name.encode("utf-8", "surrogateescape"))
    (folder / "alone.png").write_bytes(b"alone")
    (folder / "lost.png").write_bytes(b"lost")
    going = [
        *going_of(folder / "kept.png", *paths),
        Going(item(folder / "alone.png", 90), item(folder / "lost.png", 91), 5),
    ]
    script = folder / "copies.sh"
    script.write_bytes(written("script", going, "c\n$(touch pwned)", "2026-01-01"))
    (folder / "lost.png").unlink()
    run = subprocess.run(["sh", script, "to"], cwd=folder, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    moved = {path.name: path.read_bytes() for path in (folder / "to").iterdir()}
    assert moved == {
        f"{7 + n}-{path.name}": path.name.encode("utf-8", "surrogateescape")
        for n, path in enumerate(paths)
    }
    assert not any(path.exists() for path in paths)
    assert (folder / "alone.png").exists()  # what it is a copy of was gone
    assert b"Left where it is" in run.stderr
    assert not (folder / "pwned").exists()
    again = subprocess.run(["sh", script], cwd=folder, capture_output=True, check=False)
    assert again.returncode != 0
    assert b"Name a folder" in again.stderr
