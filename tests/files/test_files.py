"""Finding images and writing files whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.files.find import ImageFile, find_images, label_of
from clr_search.files.left_out import LeftOut, passed_over
from clr_search.files.write import (
    atomic_folder,
    atomic_path,
    refuse_existing,
    sha256_bytes,
    sha256_file,
    write_atomically,
)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(found: list[ImageFile]) -> list[str]:
    return [image.relative for image in found]


def test_finds_recursively_in_a_stable_order(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.png", "a/z.JPG", "a/b/c.webp", "A.gif", "notes.txt")))
    found = find_images([tmp_path])
    assert sorted(names(found)) == ["A.gif", "a/b/c.webp", "a/z.JPG", "b.png"]
    assert names(found) == names(find_images([tmp_path]))
    assert all(image.path.is_absolute() and image.path.is_file() for image in found)


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / ".b.png", tmp_path / ".git/c.png", tmp_path / "d/.e/f.png")
    assert names(find_images([tmp_path])) == ["a.png"]


def test_a_hidden_folder_that_is_named_is_searched(tmp_path: Path) -> None:
    touch(tmp_path / ".hidden/a.png")
    assert names(find_images([tmp_path / ".hidden"])) == ["a.png"]


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root / "real/a.png", outside / "secret.png")
    (root / "inner.png").symlink_to(root / "real/a.png")
    (root / "outer.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "again").symlink_to(root / "real")
    (root / "circle").symlink_to(root)
    (root / "broken.png").symlink_to(root / "nowhere.png")
    assert names(find_images([root])) == ["inner.png", "real/a.png"]


def test_a_link_to_itself_is_passed_by(tmp_path: Path) -> None:
    """`Path.resolve` raises on it, up to Python 3.12."""
    touch(tmp_path / "a.png")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "one.png").symlink_to("other.png")
    (tmp_path / "other.png").symlink_to("one.png")
    (tmp_path / "folder").symlink_to("folder")
    assert names(find_images([tmp_path])) == ["a.png"]
    with pytest.raises(UsageError, match="There is no file or folder"):
        find_images([tmp_path / "self.png"])


def test_a_link_to_a_folder_may_be_the_root(tmp_path: Path) -> None:
    touch(tmp_path / "real/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (found,) = find_images([tmp_path / "link"])
    assert found.root == (tmp_path / "real").resolve()


def test_named_files_count_whatever_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "photo", tmp_path / "a.png")
    found = find_images([tmp_path / "photo", tmp_path / "a.png", tmp_path])
    assert names(found) == ["photo", "a.png"]
    assert found[0].label is None


def test_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path / "a/b.png")
    found = find_images([tmp_path / "a", tmp_path, str(tmp_path / "a/b.png")])
    assert names(found) == ["b.png"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a/b.png")
    monkeypatch.chdir(tmp_path)
    assert find_images(["a"])[0].path == (tmp_path / "a/b.png").resolve()


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file or folder .*none"):
        find_images([tmp_path / "none"])
    touch(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="No images found in") as caught:
        find_images([tmp_path])
    assert str(tmp_path) in caught.value.what
    assert ".jpg" in caught.value.remedy
    with pytest.raises(UsageError, match="no path at all"):
        find_images([])


def test_a_folder_that_cannot_be_listed_is_told_of(
    tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    touch(tmp_path / "a.png", tmp_path / "shut" / "b.png", tmp_path / "shut too" / "c.png")
    lock(tmp_path / "shut")
    left_out = LeftOut()
    reason = "the folder cannot be listed: permission denied"
    assert names(find_images([tmp_path], left_out)) == ["a.png", "shut too/c.png"]
    assert left_out.skipped() == [(tmp_path / "shut", reason)]
    assert left_out.untold == [str(tmp_path / "shut")]
    assert left_out.told() == [f"{tmp_path / 'shut'}: {reason}."]
    lock(tmp_path / "shut too")
    find_images([tmp_path], left_out)
    assert left_out.told() == [f"{tmp_path / 'shut'}: {reason} (and 1 more)."]
    with pytest.raises(UsageError, match=f"shut: {reason}. Files ending in"):
        find_images([tmp_path / "shut"])


def test_a_folder_that_is_gone_meanwhile_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.png", tmp_path / "gone" / "b.png")
    real = os.scandir

    def scandir(path="."):  # type: ignore[no-untyped-def]
        if str(path).endswith("gone"):
            shutil.rmtree(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    left_out = LeftOut()
    assert names(find_images([tmp_path], left_out)) == ["a.png"]
    assert left_out.skipped() == []
    assert left_out.untold == [str(tmp_path / "gone")]


def test_pictures_of_kinds_that_are_not_read_are_counted(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.JXL", "b/c.jxl", "b/d.png", "b/.e.jxl", "f.txt")))
    left_out = LeftOut()
    assert names(find_images([tmp_path, tmp_path / "b"], left_out)) == ["b/d.png"]
    assert left_out.kinds() == (("JPEG XL", 2),), "each once, hidden ones not at all"
    told = "2 files passed over: JPEG XL is not read; convert them to JPEG first."
    assert passed_over(left_out.kinds()) == left_out.told() == [told]
    (tmp_path / "b" / "d.png").unlink()
    touch(tmp_path / "g.NEF")
    with pytest.raises(UsageError) as caught:
        find_images([tmp_path])
    both = "3 files passed over: JPEG XL and camera raw are not read; convert them to JPEG first. "
    assert caught.value.remedy.startswith(both + "Files ending in")
    assert passed_over((("camera raw", 1),)) == [
        "1 file passed over: camera raw is not read; convert it to JPEG first."
    ]


@pytest.mark.parametrize(
    ("relative", "label"), [("a.png", None), ("x/a.png", "x"), ("y/x/a.png", "x")]
)
def test_labels_are_parent_folders(relative: str, label: str | None) -> None:
    assert label_of(relative) == label
    assert ImageFile(Path("/r"), relative).label == label


@settings(deadline=None)  # a disk takes its time
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_writes_and_overwrites(first: bytes, second: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "sub" / "file"
        write_atomically(target, first)
        write_atomically(target, second)
        assert target.read_bytes() == second
        assert list(target.parent.iterdir()) == [target]


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_atomically(tmp_path / "t", "Größe\n")
    assert (tmp_path / "t").read_bytes() == "Größe\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_file_is_hidden_and_beside(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")  # so that no search for images finds it
        temporary.write_bytes(b"x")


def test_killed_while_writing_leaves_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "file"
    size = 3_000_000
    write_atomically(target, b"0" * size)
    code = f"""
import itertools
from collections.abc import Callable
from pathlib import Path
from clr_search.files.write import write_atomically
for digit in itertools.cycle(b"123456789"):
    write_atomically(Path({str(target)!r}), bytes([digit]) * {size})
    print("written", flush=True)
"""
    for pause in (0.0, 0.003, 0.011, 0.02):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        content = target.read_bytes()
        assert len(content) == size
        assert len(set(content)) == 1


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "site"
    for content in ("one", "two"):
        with atomic_folder(target) as folder:
            (folder / content).write_text(content)
            assert content not in [path.name for path in target.glob("*")]
        assert [path.name for path in target.iterdir()] == [content]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site"
    touch(target / "old")

    def interrupted() -> None:
        with atomic_folder(target) as folder:
            touch(folder / "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == [target]
    rename = Path.rename

    def failing(path: Path, to: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError("no")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(target) as folder:
        touch(folder / "new")
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("moment", ["while it is filled", "between the renamings"])
def test_killed_the_old_folder_is_there_and_the_next_call_tidies(
    tmp_path: Path, moment: str
) -> None:
    target = tmp_path / "site"
    touch(target / "old", tmp_path / ".site.mine.tmp" / "kept")
    code = f"""
import os, sys
from collections.abc import Callable
from pathlib import Path
from clr_search.files.write import atomic_folder
rename = Path.rename
def killing(path, to):
    rename(path, to)
    os.kill(os.getpid(), 9)
Path.rename = killing
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "new").touch()
    if {moment == "while it is filled"}:
        os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.iterdir() if (path / "old").exists()]
    assert len(left) == 1
    assert (left[0] == target) == (moment == "while it is filled")
    for _ in range(2):  # one beside the missing folder is kept until there is a new one
        with atomic_folder(target) as folder:
            touch(folder / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.mine.tmp", "site"]


def test_refuse_existing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    refuse_existing(target, force=False)
    target.mkdir()
    refuse_existing(target, force=False)  # an empty folder is no loss
    touch(target / "file")
    for existing in (target, target / "file"):
        with pytest.raises(UsageError) as caught:
            refuse_existing(existing, force=False)
        assert caught.value.what == f"{existing} exists already."
        assert "--force" in caught.value.remedy
        refuse_existing(existing, force=True)


@given(st.binary(max_size=1000))
def test_hashes(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as handle:
        handle.write(data)
        handle.flush()
        expected = hashlib.sha256(data).hexdigest()
        assert sha256_bytes(data) == sha256_file(Path(handle.name)) == expected
