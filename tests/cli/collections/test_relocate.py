"""relocate, and how paths that lead to nothing are marked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.conftest import Run


def test_dead_paths_are_marked_and_relocated(run: Run, own: Path, tmp_path: Path) -> None:
    query = tmp_path / "query.jpg"
    query.write_bytes(next((tmp_path / "mine" / "red").iterdir()).read_bytes())
    (tmp_path / "mine").rename(tmp_path / "moved")
    said = run("search", own, query, "-k", 3).stdout.splitlines()
    assert said[0].startswith("  the same file is in the collection: mine/red/")
    assert [line.endswith("  (not there)") for line in said] == [True] * 4
    found = json.loads(run("search", own, query, "-k", 3, "--json").stdout)["results"]
    assert [match["missing"] for match in found] == [True] * 3
    run("search", own, query, "-k", 3, "--out", "found.csv")
    rows = list(csv.DictReader((tmp_path / "found.csv").open(encoding="utf-8")))
    assert [row["missing"] for row in rows] == ["True"] * 3
    assert "36; clr-search relocate" in run("info", own).stdout
    assert json.loads(run("info", own, "--json").stdout)["missing"] == 36
    assert "36 images" in run("relocate", own, "mine", "moved").stdout
    assert "(not there)" not in run("search", own, query).stdout
    assert "not there" not in run("info", own).stdout
    failed = run("relocate", own, "mine", "moved", exit_code=2).stderr
    assert "has no pictures of" in failed


def test_a_copy_of_the_query_that_is_not_there_is_marked(
    run: Run, own: Path, tmp_path: Path
) -> None:
    one, other = sorted((tmp_path / "mine" / "red").iterdir())[:2]
    query = tmp_path / "query.jpg"
    query.write_bytes(one.read_bytes())
    one.unlink()
    said = run("search", own, query, "-k", 3).stdout
    assert f"is in the collection: mine/red/{one.name}  (not there)" in said
    query.write_bytes(other.read_bytes())
    said = run("search", own, query, "-k", 3).stdout
    assert f"is in the collection: mine/red/{other.name}\n" in said


def test_clusters_mark_what_is_not_there(run: Run, own: Path, tmp_path: Path) -> None:
    asked = ("cluster", own, "--clusters", 3, "--outliers", 36)
    assert "(not there)" not in run(*asked).stdout
    gone = {str(path) for path in (tmp_path / "mine" / "red").iterdir()}
    (tmp_path / "mine" / "red").rename(tmp_path / "moved")
    lines = run(*asked).stdout.splitlines()
    marked = [line for line in lines if line.endswith("  (not there)")]
    assert len(marked) == 1 + 12  # the cluster of red, and the twelve among all
    assert all("mine/red/" in line for line in marked)
    found = json.loads(run(*asked, "--json").stdout)
    for pictures in (
        [p for cluster in found["clusters"] for p in cluster["pictures"]],
        found["outliers"],
    ):
        assert len(pictures) == 36
        assert {p["path"] for p in pictures if p["missing"]} == gone
