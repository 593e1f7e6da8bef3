"""Tables of labels as people, spreadsheets and programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.files.tables.labels import read_table

ROWS = [("a.jpg", "rose"), ("sub/b.jpg", "Gänseblümchen")]
PLAIN = "path,label\na.jpg,rose\nsub/b.jpg,Gänseblümchen\n"


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(folder: Path, text: str | bytes) -> list[tuple[str, str]]:
    return [(row.name, row.label) for row in read_table(table(folder, text)).rows]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "path;label\r\na.jpg;rose\r\nsub/b.jpg;Gänseblümchen",
        "path\tlabel\ra.jpg\trose\rsub/b.jpg\tGänseblümchen\r",
        "path|label\na.jpg|rose\nsub/b.jpg|Gänseblümchen\n",
        "Label , Path ,note\nrose,a.jpg,x\n Gänseblümchen ,sub/b.jpg,\n",
        'path,label\n"a.jpg","rose"\n\n"sub/b.jpg",Gänseblümchen\n',
        'path, label\na.jpg, rose\nsub/b.jpg, "Gänseblümchen"\n',
        "sep=;\r\npath;label\r\na.jpg;rose\r\nsub/b.jpg;Gänseblümchen\r\n",
        "File Name,Class\na.jpg,rose\nsub/b.jpg,Gänseblümchen\n",
        "id,name,image-path,species\n1,x,a.jpg,rose\n2,y,sub/b.jpg,Gänseblümchen\n",
        "path,label\na.jpg,rose\nsub/b.jpg,Ga\u0308nseblu\u0308mchen\n",
        "path,label,,\na.jpg,rose,,\nsub/b.jpg,Gänseblümchen,,\n,,,\n",
        "a.jpg,rose\nsub/b.jpg,Gänseblümchen\n",
    ],
)
def test_dialects(tmp_path: Path, text: str) -> None:
    assert rows(tmp_path, text) == ROWS


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"],
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    found = read_table(table(tmp_path, PLAIN.encode(encoding)))
    assert [(row.name, row.label) for row in found.rows] == ROWS
    assert found.is_guessed == (encoding in ("latin-1", "cp1252"))


def test_big_endian_with_its_mark(tmp_path: Path) -> None:
    assert rows(tmp_path, b"\xfe\xff" + PLAIN.encode("utf-16-be")) == ROWS


def test_lines_of_two_encodings(tmp_path: Path) -> None:
    text = "path,label\nä.jpg,rose\n".encode() + "ö.jpg,tulip\n".encode("latin-1")
    assert rows(tmp_path, text) == [("ä.jpg", "rose"), ("ö.jpg", "tulip")]


def test_commas_and_lines_inside_quotes(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, 'path,label\n"a,b.jpg","red, or\nblue"\nc.jpg,x\n')).rows
    assert [(row.name, row.label, row.line) for row in found] == [
        ("a,b.jpg", "red, or\nblue", 3),
        ("c.jpg", "x", 4),
    ]


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, "path,label\na.jpg,\nb.jpg,x\nc.jpg\n"))
    assert [row.label for row in found.rows] == ["x"]
    assert found.unlabelled == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column path and no column label"),
        ("where,label\na,b\n", "has no column path"),
        ("path,amount\na,b\n", "has no column label"),
        ("path,label\n,x\n", "line 2, has no path"),
        ("path,label\na.jpg,x\nb, c.jpg,x\n", "line 3, has 3 values for 2 columns"),
        (b"\xff\xfepath\x00\xd8", "cannot be read as UTF-16"),
        (b"path,label\na.jpg,\0\0\n", "is no text"),
        (b"PK\x03\x04rest of a workbook", "but a spreadsheet"),
        ('path,label\n"a.jpg,x\n', "is no CSV file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_table(table(tmp_path, text))
    assert "labels.csv" in caught.value.what
    assert caught.value.remedy


def test_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(tmp_path)
