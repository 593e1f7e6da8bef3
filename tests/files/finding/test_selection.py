"""What a search of a folder takes, and that what it leaves out is told."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clr_search.files.finding.find import find_images
from clr_search.files.finding.left_out import (
    EXCLUDED,
    HIDDEN,
    NOWHERE,
    OTHER_NAME,
    OUTSIDE,
    LeftOut,
    selected,
)
from clr_search.files.finding.selection import Selection, excluding, is_picture


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(path, "PNG")


def found(root: Path, selection: Selection) -> tuple[list[str], dict[str, str]]:
    left_out = LeftOut()
    names = [image.relative for image in find_images([root], left_out, selection)]
    others = {Path(path).relative_to(root).as_posix(): why for path, why in left_out.others.items()}
    return names, others


def test_links_out_of_the_folder_are_told_and_followed_on_request(tmp_path: Path) -> None:
    root, store = tmp_path / "root", tmp_path / "store"
    draw(root / "a.png", store / "b.png", store / "year" / "c.png", store / "key")
    (root / "b.png").symlink_to(store / "b.png")
    (root / "key").symlink_to(store / "key")
    (root / "year").symlink_to(store / "year")
    (root / "gone.png").symlink_to("nowhere")
    (root / "circle").symlink_to(root)
    names, others = found(root, Selection())
    assert names == ["a.png"]
    assert others == dict.fromkeys(["b.png", "key", "year"], OUTSIDE) | {"gone.png": NOWHERE}
    names, others = found(root, Selection(follow_links=True))
    assert names == ["a.png", "b.png", "year/c.png"]
    assert others == {"gone.png": NOWHERE, "key": OTHER_NAME}
    names, _ = found(root, Selection(follow_links=True, any_name=True))
    assert names == ["a.png", "b.png", "key", "year/c.png"]


@pytest.mark.parametrize("name", ["noending", "x.jpg_large", "x.jpeg~", "x.jpg.1", "x.jpg "])
def test_a_picture_of_any_ending_is_told_and_taken_on_request(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "a.png", tmp_path / name)
    (tmp_path / "notes").write_text("BMW, GIF and JPEG")
    assert found(tmp_path, Selection()) == (["a.png"], {name: OTHER_NAME})
    assert found(tmp_path, Selection(any_name=True)) == (sorted(["a.png", name]), {})


@pytest.mark.parametrize("name", ["x.mpo", "x.apng", "x.jif", "x.jps", "x.jfif"])
def test_endings_of_pictures(tmp_path: Path, name: str) -> None:
    draw(tmp_path / name)
    assert found(tmp_path, Selection()) == ([name], {})


def test_thumbnails_of_a_nas_are_excluded_at_first(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", tmp_path / "@eaDir/a.png/T.png", tmp_path / "b/#recycle/a.png")
    draw(tmp_path / "P.photoslibrary/resources/r.png", tmp_path / "P.photoslibrary/originals/o.png")
    draw(tmp_path / "__MACOSX/x.png")
    names, others = found(tmp_path, Selection())
    assert names == ["P.photoslibrary/originals/o.png", "a.png"]
    assert set(others) == {"@eaDir", "b/#recycle", "P.photoslibrary/resources", "__MACOSX"}
    assert set(others.values()) == {EXCLUDED}
    assert len(found(tmp_path, Selection(excluding(("none",))))[0]) == 6


def test_patterns_of_names_and_of_paths(tmp_path: Path) -> None:
    draw(tmp_path / "a_small.png", tmp_path / "raw/b.png", tmp_path / "c/raw/d.png")
    assert found(tmp_path, Selection(("*_small.png",)))[0] == ["c/raw/d.png", "raw/b.png"]
    assert found(tmp_path, Selection(("raw",)))[0] == ["a_small.png"]
    assert found(tmp_path, Selection(("c/raw",)))[0] == ["a_small.png", "raw/b.png"]
    composed = unicodedata.normalize("NFC", "Entwürfe")
    assert Selection((composed,)).excludes("x/" + unicodedata.normalize("NFD", composed))


@given(st.lists(st.text(max_size=20)), st.booleans(), st.booleans())
def test_a_selection_is_kept_as_it_is(exclude: list[str], links: bool, names: bool) -> None:
    selection = Selection(tuple(exclude), links, names)
    assert Selection.from_json(selection.to_json()) == selection


@pytest.mark.parametrize("text", ["[]", "{}", '{"exclude": 1, "follow_links": 0, "any_name": 0}'])
def test_other_texts_are_no_selection(text: str) -> None:
    with pytest.raises(ValueError, match=r"[]{[]"):
        Selection.from_json(text)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_picture_or_not(head: bytes) -> None:
    assert is_picture(head) in (True, False)


def test_sentences() -> None:
    others = [("a", OUTSIDE), ("b", OTHER_NAME), ("c", OTHER_NAME), ("d", NOWHERE)]
    assert selected(others, options=True) == [
        "1 link leads out of the folder; --follow-links follows it.",
        "1 link leads nowhere.",
        "2 files are pictures, but not by the ending of the name; --any-name takes them.",
    ]


def test_hidden_pictures_and_folders_are_told(tmp_path: Path) -> None:
    """But no hidden files of other kinds."""
    hidden = [".b.png", ".git", ".noending", ".thumbnails", "d/.e"]
    draw(tmp_path / "a.png", tmp_path / ".b.png", tmp_path / ".git" / "c.png")
    draw(tmp_path / ".noending", tmp_path / "d" / ".e" / "f.png", tmp_path / ".thumbnails" / "g")
    (tmp_path / ".DS_Store").write_bytes(b"Bud1")
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7 of a Mac")
    (tmp_path / ".gone.png").symlink_to("nowhere")
    names, others = found(tmp_path, Selection())
    assert names == ["a.png"]
    assert others == dict.fromkeys(hidden, HIDDEN)
    (tmp_path / "@eaDir").mkdir()
    left_out = LeftOut()
    find_images([tmp_path], left_out)
    excluded, hid = "1 file or folder is excluded", "5 files and folders are hidden."
    assert left_out.told(options=True) == [f"{excluded}; --exclude none takes it.", hid]
    assert left_out.told() == [f"{excluded}.", hid]


def test_a_file_that_is_given_is_of_the_class_of_its_folder(tmp_path: Path) -> None:
    draw(tmp_path / "stray.png", tmp_path / "red" / "a.png", tmp_path / "blue" / "b.png")
    decomposed = unicodedata.normalize("NFD", "é")
    draw(tmp_path / decomposed / "c.png")
    classes = [image.class_name for image in find_images([tmp_path])]
    assert classes == ["blue", "é", "red", None]
    listed = [image.path for image in find_images([tmp_path])]
    given = find_images(listed)
    assert [image.class_name for image in given] == ["blue", "é", "red", tmp_path.name]
    assert [image.label for image in given] == [None] * 4
