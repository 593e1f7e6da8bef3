"""Labels from CSV files as people and spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.serve.probe import read_labels


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.jpg,rose\nsub/b.jpg,tulip\n",
        "path;label\r\na.jpg;rose\r\nsub/b.jpg;tulip",
        "path\tlabel\na.jpg\trose\nsub/b.jpg\ttulip\n",
        "\ufeffLabel , Path ,note\nrose,a.jpg,x\n tulip ,sub/b.jpg,\n",
        'path,label\n"a.jpg","rose"\n\n"sub/b.jpg",tulip\n',
    ],
)
def test_dialects(tmp_path: Path, text: str) -> None:
    assert read_labels(table(tmp_path, text)) == {
        tmp_path.resolve() / "a.jpg": "rose",
        tmp_path.resolve() / "sub/b.jpg": "tulip",
    }


def test_paths_are_relative_to_the_table_or_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    text = f"path,label\nlink/a.jpg,x\n{tmp_path}/pictures/b.jpg,y\n../{tmp_path.name}/c.jpg,z\n"
    table(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    root = tmp_path.resolve()
    for given in (tmp_path / "labels.csv", "labels.csv"):
        assert read_labels(given) == {
            root / "pictures/a.jpg": "x",
            root / "pictures/b.jpg": "y",
            root / "c.jpg": "z",
        }


def test_commas_and_lines_inside_quotes(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, 'path,label\n"a,b.jpg","red, or\nblue"\n'))
    assert labels == {tmp_path.resolve() / "a,b.jpg": "red, or\nblue"}


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, "path,label\na.jpg,\nb.jpg,x\nc.jpg\n"))
    assert list(labels.values()) == ["x"]


def test_the_same_twice(tmp_path: Path) -> None:
    assert len(read_labels(table(tmp_path, "path,label\na.jpg,x\na.jpg,x\n"))) == 1
    with pytest.raises(UsageError, match=r"line 3, gives a\.jpg the label 'y', but above"):
        read_labels(table(tmp_path, "path,label\na.jpg,x\na.jpg,y\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column path and no column label"),
        ("file,label\na,b\n", "has no column path"),
        ("path,class\na,b\n", "has no column label"),
        ("path,label\n,x\n", "line 2, has no path"),
        (b"path,label\n\xff\xfe,x\n", "cannot be read as UTF-8"),
        ('path,label\n"a.jpg,x\n', "is no CSV file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_labels(table(tmp_path, text))
    assert "labels.csv" in caught.value.what
    assert caught.value.remedy


def test_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(UsageError):
        read_labels(tmp_path)
