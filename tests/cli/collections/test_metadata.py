"""Columns of one's own: ``build-index --metadata``, ``--where`` and ``info``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.cli.conftest import Run

ROWS = "file;rating;day;note\nred00.jpg;5;2024-05-01;a\nmine\\red\\red02.jpg;3;;b\nnone.jpg;1;;c\n"


def found(run: Run, own: Path, where: str) -> set[str]:
    answer = run(
        "search", own, "mine/blue/blue00.jpg", "-k", "99", "--json", "--where", where
    ).stdout
    return {Path(result["path"]).name for result in json.loads(answer)["results"]}


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_columns_are_given_filtered_by_and_listed(run: Run, own: Path, name: str) -> None:
    header, *rows = [line.split(";") for line in ROWS.splitlines()]
    if name.endswith(".csv"):
        Path(name).write_text(ROWS, encoding="utf-8-sig")
    else:
        columns = {n: [row[at] or None for row in rows] for at, n in enumerate(header)}
        pq.write_table(pa.table(columns), name)
    result = run("build-index", "mine", "--index", own, "--metadata", name)
    assert "1 row names no picture" in result.stderr
    assert "none.jpg" in result.stderr
    assert found(run, own, "rating >= 3") == {"red00.jpg", "red02.jpg"}
    assert found(run, own, "rating > 3 AND day = '2024-05'") == {"red00.jpg"}
    listed = json.loads(run("info", own, "--json").stdout)["columns"]
    given = [(c["name"], c["kind"], c["count"]) for c in listed if c["given"]]
    assert given == [("rating", "integer", 2), ("day", "date", 1), ("note", "text", 2)]
    assert "rating (integer, 2)" in run("info", own).stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rating\n5\n", "has no column path"),
        ("path,camera\nred00.jpg,5\n", "Every collection has a column camera."),
        ("path,a,A\nred00.jpg,5,6\n", "has two columns a"),
        ("path,a\nred00.jpg,5,6\n", "line 2, has 3 values for 2 columns"),
    ],
)
def test_a_wrong_table_is_refused(run: Run, own: Path, text: str, complaint: str) -> None:
    Path("t.csv").write_text(text, encoding="utf-8")
    result = run("build-index", "mine", "--index", own, "--metadata", "t.csv", exit_code=2)
    assert complaint in result.stderr


def test_a_wrong_condition_tells_where(run: Run, own: Path) -> None:
    words = ("search", own, "mine/red/red00.jpg", "--where", "camra = 'X100'")
    result = run(*words, exit_code=2)
    assert "at character 1" in result.stderr
    assert "Did you mean camera?" in result.stderr


@pytest.fixture
def rated(run: Run, own: Path) -> Path:
    """A collection with columns of one's own, two of which are called as those of results."""
    Path("t.csv").write_text(
        'path,rating,"a, b",score,Query\nred00.jpg,5,x,1,q\nred02.jpg,3,,0.5,\n', encoding="utf-8"
    )
    run("build-index", "mine", "--index", own, "--metadata", "t.csv")
    return own


def test_a_columns_values_are_shown_beside_results(run: Run, rated: Path) -> None:
    asked = ("search", rated, "mine/red/red00.jpg", "--include-self", "-k", "2")
    names = ["--columns", 'RATING, "a, b", width', "--where", "rating IS NOT NULL"]
    one, two = (str(Image.open(f"mine/red/{name}").size[0]) for name in ("red00.jpg", "red02.jpg"))
    lines = run(*asked, *names).stdout.splitlines()
    assert lines[0].split() == ["rating", "a,", "b", "width"]
    assert lines[1].split()[-4:-1] == ["5", "x", one]
    assert lines[2].split()[-3:-1] == ["3", two]
    [answer] = [json.loads(line) for line in run(*asked, *names, "--json").stdout.splitlines()]
    assert [result["columns"] for result in answer["results"]] == [
        {"rating": 5, "a, b": "x", "width": int(one)},
        {"rating": 3, "a, b": None, "width": int(two)},
    ]
    assert "columns" not in run(*asked).stdout
    wrong = run(*asked, "--columns", "rating,none", exit_code=2).stderr
    assert "There is no column none." in wrong
    assert "path, label, width" in wrong


def test_json_has_the_columns_of_ones_own_unasked(run: Run, rated: Path, collection: Path) -> None:
    asked = ("search", rated, "mine/red/red00.jpg", "--include-self", "-k", "1")
    answer = json.loads(run(*asked, "--json").stdout)
    assert answer["results"][0]["columns"] == {"rating": 5, "a, b": "x", "score": 1.0, "Query": "q"}
    run(*asked, "--out", "found.jsonl")
    assert json.loads(Path("found.jsonl").read_text(encoding="utf-8")) == answer
    plain = run("search", collection, "mine/red/red00.jpg", "--json").stdout
    assert "columns" not in json.loads(plain)["results"][0]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_of_results_have_columns_that_are_asked_for(
    run: Run, rated: Path, ending: str
) -> None:
    """A column that is called as one of every table is set off from it."""
    out = f"found{ending}"
    asked = ("search", rated, "mine/red/red00.jpg", "--include-self", "-k", "1", "--out", out)
    run(*asked, "--columns", "rating,score,taken")
    if ending == ".csv":
        with Path(out).open(encoding="utf-8", newline="") as file:
            [row] = csv.DictReader(file)
        assert (row["rating"], row["column.score"], row["taken"]) == ("5", "1.0", "")
    else:
        [row] = pq.read_table(out).to_pylist()
        assert (row["rating"], row["column.score"], row["taken"]) == (5, 1.0, None)
    assert float(row["score"]) == pytest.approx(1, abs=1e-3)
    run(*asked, "--force")
    if ending == ".csv":
        assert "rating" not in Path(out).read_text(encoding="utf-8")


def test_a_column_is_dropped(run: Run, rated: Path) -> None:
    run("build-index", "--index", rated, "--drop-column", "Rating", "--drop-column", "a, b")
    listed = json.loads(run("info", rated, "--json").stdout)["columns"]
    assert [c["name"] for c in listed if c["given"]] == ["score", "Query"]
    assert "There is no column rating" not in run("info", rated).stdout
    failed = run("search", rated, "mine/red/red00.jpg", "--where", "rating > 1", exit_code=2)
    assert "there is no column rating" in failed.stderr
    for name, complaint in (
        ("rating", "There is no column rating."),
        ("camera", "Every collection has the column camera."),
        ("width", "Every collection has the column width."),
    ):
        failed = run("build-index", "--index", rated, "--drop-column", name, exit_code=2)
        assert complaint in failed.stderr
    run("build-index", "--index", rated, "--drop-column", "score", "--metadata", "t.csv")
    assert "score (real, 2)" in run("info", rated).stdout
