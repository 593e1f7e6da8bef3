"""Finding images in folders and among files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile, label_of
from clr_search.files.finding.left_out import LeftOut, passed_over


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
