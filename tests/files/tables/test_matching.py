"""Rows of a table find the pictures that they mean, and no others."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.files.tables.labels import LabelRow, LabelTable, read_table
from clr_search.files.tables.matching import Labelled, match

PICTURES = ["/data/photos/red/1.jpg", "/data/photos/red/2.jpg", "/data/photos/blue/1.jpg"]


def matched(*names: str, pictures: list[str] | None = None, folder: str = "/elsewhere") -> Labelled:
    """Each name with a label of its own: a, b, c, …"""
    rows = tuple(LabelRow(n, name, chr(95 + n)) for n, name in enumerate(names, start=2))
    return match(LabelTable(Path(folder, "t.csv"), rows, 0, "UTF-8"), pictures or PICTURES)


@pytest.mark.parametrize(
    "name",
    [
        "/data/photos/red/1.jpg",
        "/data/photos/./blue/../red/1.jpg",
        "red/1.jpg",
        r"red\1.jpg",
        r".\red\1.jpg",
        "./red//1.jpg",
        "photos/red/1.jpg",
        "RED/1.JPG",
        r"C:\Users\me\red\1.jpg",
        "D:/stick/photos/red/1.jpg",
        r"\\server\share\red\1.jpg",
        "/Users/me/photos/red/1.jpg",
        "red/1",
    ],
)
def test_one_picture_in_many_spellings(name: str) -> None:
    found = matched(name)
    assert found.labels == ["a", None, None]
    assert found.unmatched == found.ambiguous == ()


def test_a_bare_name_stands_for_one_picture_only() -> None:
    found = matched("2.jpg", "1.jpg")
    assert found.labels == [None, "a", None]
    assert [row.name for row in found.ambiguous] == ["1.jpg"]


@pytest.mark.parametrize("name", ["green/1.jpg", "3.jpg", "photos/1.jpg", "red", "1.png", "", "/"])
def test_other_pictures_are_not_meant(name: str) -> None:
    found = matched(name)
    assert found.labels == [None] * 3
    assert [row.name for row in found.unmatched] == [name]


def test_foreign_paths_agree_in_all_that_differs_among_them() -> None:
    names = [r"C:\x\red\1.jpg", r"c:\X\green\1.jpg", r"C:\x\blue\1.jpg", r"C:\x\red\9.jpg"]
    found = matched(*names)
    assert found.labels == ["a", None, "c"]
    assert [row.line for row in found.unmatched] == [3, 5]
    # Paths of this machine beside them change nothing.
    assert matched(*names[:3], PICTURES[1]).labels == ["a", "d", "c"]


def test_relative_to_the_folder_of_the_table_first(tmp_path: Path) -> None:
    pictures = [str(tmp_path / "a.jpg"), str(tmp_path / "sub" / "a.jpg")]
    assert matched("a.jpg", pictures=pictures, folder=str(tmp_path)).labels == ["a", None]
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    assert matched("link/a.jpg", pictures=pictures, folder=str(tmp_path)).labels == [None, "a"]


def test_a_file_elsewhere_is_no_bare_name(tmp_path: Path) -> None:
    (tmp_path / "2.jpg").touch()
    found = matched("2.jpg", folder=str(tmp_path))
    assert found.labels == [None] * 3
    assert len(found.unmatched) == 1


def test_capitals_count_where_they_tell_pictures_apart() -> None:
    pictures = ["/p/a.jpg", "/p/A.jpg"]
    assert matched("a.jpg", "A.jpg", pictures=pictures).labels == ["a", "b"]
    assert len(matched("A.JPG", pictures=pictures).ambiguous) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_unicode_forms(form: str) -> None:
    composed = unicodedata.normalize("NFC", "Zürich/Gänse.jpg")
    other = unicodedata.normalize("NFD", composed)
    name = unicodedata.normalize(form, composed)  # type: ignore[arg-type]
    for pictures in ([f"/p/{composed}"], [f"/p/{other}"]):
        assert matched(name, pictures=pictures).labels == ["a"]
        assert matched("Gänse.jpg", pictures=pictures).labels == ["a"]
        assert matched(f"/p/{name}", pictures=pictures).labels == ["a"]
    both = [f"/p/{composed}", f"/p/{other}"]
    assert matched(f"/p/{name}", pictures=both).labels.count("a") == 1


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    picture = os.fsdecode(b"/p/r\xf6t.jpg")
    (tmp_path / "t.csv").write_bytes(b"path,label\nr\xf6t.jpg,x\n")
    assert match(read_table(tmp_path / "t.csv"), [picture]).labels == ["x"]


def test_two_labels_of_one_picture() -> None:
    with pytest.raises(UsageError, match=r"line 3, gives \./red/1\.jpg the label 'b', but line 2"):
        matched("red/1.jpg", "./red/1.jpg")
    rows = (LabelRow(2, "red/1.jpg", "x"), LabelRow(3, r"red\1.jpg", "x"))
    found = match(LabelTable(Path("t.csv"), rows, 0, "UTF-8"), PICTURES)
    assert found.labels == ["x", None, None]


names = st.text("aBé ._-", min_size=1, max_size=4).filter(lambda name: name.strip(". ") != "")


@given(st.lists(st.tuples(names, names), min_size=1, max_size=8, unique=True))
def test_full_relative_names_always_find_their_own(places: list[tuple[str, str]]) -> None:
    pictures = [f"/root/{folder}/{name}.jpg" for folder, name in places]
    for spelled in ("{}/{}.jpg", "{}\\{}.jpg", "/root/{}/{}.jpg"):
        rows = [spelled.format(*place) for place in places]
        assert matched(*rows, pictures=pictures).labels == [chr(97 + n) for n in range(len(rows))]
