"""``export-vectors``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clr_search.index import Index
from tests.cli.conftest import Run


def test_it_writes_what_is_asked_for(run: Run, collection: Path) -> None:
    told = run("export-vectors", collection, "--out", "x.parquet", "--map", "--label", "red")
    assert told.stdout == ""
    assert told.stderr.startswith("x.parquet: 12 vectors of 16 values, ")
    rows = pq.read_table("x.parquet").to_pydict()
    assert set(rows) == {"path", "label", "x", "y", "vector"}
    assert set(rows["label"]) == {"red"}
    answer = run("export-vectors", collection, "--out", "x.npy", "--paths", "x.txt", "--json")
    assert json.loads(answer.stdout) == {
        "file": "x.npy",
        "paths": "x.txt",
        "vectors": 36,
        "dimension": 16,
    }
    with Index.open(collection) as index:
        np.testing.assert_array_equal(np.load("x.npy"), index.vectors()[1])
    assert len(Path("x.txt").read_text(encoding="utf-8").splitlines()) == 36


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "x.csv"], "x.csv does not end in .parquet, .npy, .npz."),
        (["--out", "there.npy"], "there.npy exists already."),
        (["--out", "x.npy", "--paths", "there.npy"], "there.npy exists already."),
        (["--out", "x.npy", "--map"], "x.npy would hold vectors alone, and no map."),
        (["--out", "x.npy", "--paths", "x.npy"], "--paths and --out name the same file."),
    ],
)
def test_wrong_use_writes_nothing(
    run: Run, collection: Path, arguments: list[str], says: str
) -> None:
    Path("there.npy").write_text("old", encoding="utf-8")
    assert says in run("export-vectors", collection, *arguments, exit_code=2).stderr
    assert [path.name for path in Path().glob("*.*")] == ["there.npy"]
    run("export-vectors", collection, "--out", "there.npy", "--force")
    assert np.load("there.npy").shape == (36, 16)
