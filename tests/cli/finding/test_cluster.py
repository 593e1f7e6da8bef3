"""``cluster``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from clr_search.index import Index, Item
from tests.cli.conftest import Run


def test_the_three_colours_are_three_clusters(run: Run, collection: Path) -> None:
    lines = run("cluster", collection, "--clusters", "3", "--outliers", "2").stdout.splitlines()
    assert lines[0].endswith("pictures.clr: 36 pictures in 3 clusters")
    assert lines[1].split() == ["pictures", "folders", "most", "typical"]
    assert {line.split()[2] for line in lines[2:5]} == {"red", "green", "blue"}
    assert [line.split()[1] for line in lines[2:5]] == ["12", "12", "12"]
    assert lines[6] == "Least typical:"
    assert len(lines) == 9


def test_for_programs(run: Run, collection: Path) -> None:
    found = json.loads(run("cluster", collection, "--clusters", "3", "--json").stdout)
    assert [cluster["size"] for cluster in found["clusters"]] == [12, 12, 12]
    ids = [p["id"] for cluster in found["clusters"] for p in cluster["pictures"]]
    assert sorted(ids) == list(range(1, 37))
    assert sorted(c["folders"].popitem() for c in found["clusters"]) == [
        ("blue", 12),
        ("green", 12),
        ("red", 12),
    ]
    assert len(found["outliers"]) == 8
    assert found["outliers"][0]["score"] <= found["outliers"][-1]["score"]


@pytest.mark.parametrize("output", [[], ["--html", "overview.html"], ["--json"]])
def test_items_are_made_of_what_is_shown(
    run: Run, collection: Path, output: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not of all pictures; with --json, of those of one cluster at a time."""
    asked: list[int] = []
    true = Index.items

    def items(self: Index, numbers: Sequence[int]) -> list[Item]:
        asked.append(len(numbers))
        return true(self, numbers)

    monkeypatch.setattr(Index, "items", items)
    run("cluster", collection, "--clusters", "2", "--outliers", "3", *output)
    assert asked
    assert max(asked) <= (24 if "--json" in output else 8)


def test_the_page(run: Run, collection: Path, tmp_path: Path) -> None:
    page = tmp_path / "overview.html"
    run("cluster", collection, "--clusters", "2", "--html", page)
    text = page.read_text("utf-8")
    assert text.count("<section>") == 3
    assert text.count('src="data:image/jpeg;base64,') == 24
    assert "Least typical" in text
    assert "exists already" in run("cluster", collection, "--html", page, exit_code=2).stderr


def test_wrong_use(run: Run, collection: Path) -> None:
    many = run("cluster", collection, "--clusters", "99", exit_code=2)
    assert "99 clusters cannot be made of 36 pictures." in many.stderr
    misspelt = run("cluster", collection, "--under", "gren", exit_code=2)
    assert "lie under gren.\nDid you mean green or red?" in misspelt.stderr
    seed = run("cluster", collection, "--seed", 2**31, exit_code=2)
    assert "2147483648 is more than 2147483647." in seed.stderr
