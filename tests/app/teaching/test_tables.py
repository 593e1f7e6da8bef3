"""Labels from a table and to a table, and their addresses."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clr_search.app.access import Access
from clr_search.app.guard import MAX_LABELS_BYTES
from clr_search.app.main import serving
from clr_search.app.teaching.tables import exported, import_labels
from clr_search.errors import UsageError
from clr_search.index import Index
from tests.app.teaching.conftest import School


def test_a_table_gives_labels_and_tells_what_it_did_not_find(school: School) -> None:
    table = (
        "file;class\nred/red00.jpg;warm\nblue01.png;cold\nno such.jpg;x\nred01.png;red\ngone.png;\n"
    )
    found = import_labels(school.teacher, table.encode(), "mine.csv")
    assert found.pictures == 3
    assert [(row.line, row.name, why) for row, why in found.missing] == [
        (4, "no such.jpg", "not in the collection")
    ]
    labels = school.labels()
    assert (labels["red00.jpg"], labels["blue01.png"]) == ("warm", "cold")
    assert labels["red02.jpg"] == "red"  # what the table does not name keeps its label
    assert school.ask("undo", undo=found.undo)["changed"] == 2
    assert school.labels()["red00.jpg"] == "red"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04...", "mine.csv is no CSV file, but a spreadsheet"),
        (b"a,b\n1,2\n", "mine.csv has no column path and no column label"),
        (b"path,label\nred00.jpg,\n", "No row of mine.csv has a label"),
        (b"path,label\nx.jpg,red\n", "None of the 1 pictures in mine.csv is in the collection"),
        (b"path,label\nred00.jpg,a\nred00.jpg,b\n", "mine.csv, line 3, gives red00.jpg the label"),
        (b"path,label\nred00.jpg," + b"x" * 200, "A class cannot be called"),
        (b"\0\1\2\3\4", "mine.csv"),
    ],
)
def test_tables_that_are_none(school: School, data: bytes, said: str) -> None:
    """The message has the name that the person knows, and no path of this machine."""
    before = school.labels()
    with pytest.raises(UsageError) as caught:
        import_labels(school.teacher, data, "mine.csv")
    assert said in caught.value.what
    assert str(school.path.parent) not in f"{caught.value.what} {caught.value.remedy}"
    assert school.labels() == before


def test_labels_go_out_and_come_in_again(school: School) -> None:
    school.ask("label", changes=[{"ids": school.ids("red")[:2], "label": 'a "b", c'}])
    school.ask("rename", label="green")
    table = exported(school.teacher)
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert len(rows) == 24
    assert {row["label"] for row in rows} == {'a "b", c', "red", "blue"}
    expected = school.labels()
    school.ask("relabel", to="none")
    assert import_labels(school.teacher, table, "labels.csv").pictures == 24
    assert school.labels() == expected


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_names_that_are_no_text_come_in_again(school: School, pictures: Path) -> None:
    folder = school.path.parent / "odd"
    folder.mkdir()
    shutil.copy(pictures / "red" / "red00.jpg", os.fsencode(folder) + b"/r\xf6t.jpg")
    with Index.open(school.path, writable=True) as index:
        index.add([folder])
        number = index.ids()[-1]
        index.relabel({number: "odd one"})
    table = exported(school.teacher)
    assert b"r\xf6t.jpg,odd one" in table
    school.ask("relabel", to="none")
    import_labels(school.teacher, table, "labels.csv")
    with Index.open(school.path) as index:
        assert index.item(number).label == "odd one"


@pytest.fixture(scope="module")
def own_address(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page whose collection may be labelled."""
    path = shutil.copytree(collection, tmp_path_factory.mktemp("tables") / "colours.clr")
    with serving(path) as url:
        yield url


def client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, trust_env=False, headers={"origin": address.rstrip("/")})


def test_the_addresses(own_address: str) -> None:
    with client(own_address) as browser:
        table = browser.get("clr/labels.csv")
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert "labels.csv" in table.headers["content-disposition"]
        assert len(table.text.splitlines()) == 37
        sent = browser.post(
            "clr/labels",
            content=b"path,label\nred00.jpg,warm\nx.jpg,y\n",
            headers={"x-name": "my%20labels.csv"},
        )
        told = sent.json()
        assert (told["pictures"], told["missing"]) == (1, 1)
        assert told["rows"] == [{"line": 3, "name": "x.jpg", "why": "not in the collection"}]
        assert ",warm" in browser.get("clr/labels.csv").text
        wrong = browser.post("clr/labels", content=b"\0", headers={"x-name": "my%20labels.csv"})
        assert wrong.status_code == 422
        assert wrong.json()["detail"].startswith("my labels.csv")
        assert browser.get("clr/probe.onnx").status_code == 404
        for path in ("clr/probe.onnx/..%2f..%2fetc/passwd", "clr/labels.csv/x", "clr/probe-1.onnx"):
            assert browser.get(path).status_code == 404


def test_a_table_that_is_too_large_is_refused(own_address: str) -> None:
    with client(own_address) as browser:
        sent = browser.post("clr/labels", content=b"x" * (MAX_LABELS_BYTES + 1))
    assert sent.status_code == 413


def test_another_page_can_neither_send_nor_fetch(own_address: str) -> None:
    with httpx.Client(base_url=own_address, trust_env=False) as browser:
        foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
        sent = browser.post("clr/labels", content=b"path,label\nred01.png,x\n", headers=foreign)
        assert sent.status_code == 403
        assert browser.get("clr/labels.csv", headers=foreign).status_code == 403


def test_who_may_not_write_cannot_bring_a_table(collection: Path) -> None:
    with serving(collection, access=Access(open_to_all=True)) as url, client(url) as browser:
        sent = browser.post("clr/labels", content=b"path,label\nred00.jpg,warm\n")
    assert sent.status_code == 404
    assert "Nothing is remembered" in sent.json()["detail"]
    with Index.open(collection) as index:
        assert "warm" not in index.labels()
