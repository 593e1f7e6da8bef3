"""Columns of one's own: ``build-index --metadata``, ``--where`` and ``info``."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
