"""relocate, and how paths that lead to nothing are marked."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_dead_paths_are_marked_and_relocated(run: Run, own: Path, tmp_path: Path) -> None:
    query = tmp_path / "query.jpg"
    query.write_bytes(next((tmp_path / "mine" / "red").iterdir()).read_bytes())
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert run("search", own, query, "-k", 3).stdout.count("(not there)") == 3
    found = json.loads(run("search", own, query, "-k", 3, "--json").stdout)["results"]
    assert [match["missing"] for match in found] == [True] * 3
    assert "36; clr-search relocate" in run("info", own).stdout
    assert json.loads(run("info", own, "--json").stdout)["missing"] == 36
    assert "36 images" in run("relocate", own, "mine", "moved").stdout
    assert "(not there)" not in run("search", own, query).stdout
    assert "not there" not in run("info", own).stdout
    failed = run("relocate", own, "mine", "moved", exit_code=2).stderr
    assert "has no pictures of" in failed
