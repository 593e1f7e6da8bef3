"""The command ``repair``."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.cli.conftest import Run


def test_a_whole_collection(run: Run, own: Path) -> None:
    assert run("repair", "own.clr").stdout == "own.clr: 36 images, nothing damaged.\n"
    facts = json.loads(run("repair", "own.clr", "--json").stdout)
    assert facts == {
        "collection": "own.clr", "whole": True, "images": 36, "lost": 0, "damaged": None,
        "embedded_again": [], "vectors_lost": [],
    }  # fmt: skip


def test_a_damaged_one(run: Run, own: Path) -> None:
    connection = sqlite3.connect(own / "catalog.sqlite")
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'items_by_sha256'"
    ).fetchone()
    connection.close()
    with (own / "catalog.sqlite").open("r+b") as file:
        file.seek((page - 1) * 16384)
        file.write(b"\x5a" * 16384)
    result = run("repair", "own.clr")
    assert result.stdout.splitlines() == [
        "own.clr: 36 images saved, 0 lost",
        "  kept  own.clr/catalog.damaged.sqlite",
        "  next  clr-search build-index IMAGES --index own.clr",
    ]
    assert run("repair", "own.clr").stdout == "own.clr: 36 images, nothing damaged.\n"


def test_damaged_vectors(run: Run, own: Path) -> None:
    """One of a picture that is there, and one of a picture that is not."""
    there, gone = sorted((own.parent / "mine").rglob("*.png"))[:2]
    connection = sqlite3.connect(own / "catalog.sqlite")
    for path in (there, gone):
        name = f"{path.parent.name}/{path.name}"
        connection.execute("UPDATE items SET checksum = 5 WHERE path = ?", [name])
    connection.commit()
    connection.close()
    gone.unlink()
    refused = run("search", "own.clr", there, exit_code=1)
    assert "2 stored vectors changed on disk" in refused.stderr
    assert "clr-search repair own.clr" in refused.stderr
    heading, embedded, lost = run("repair", "own.clr").stdout.splitlines()
    assert heading == "own.clr: 2 stored vectors damaged, 1 picture embedded again, 1 lost"
    assert embedded == f"  embedded  {there.relative_to(own.parent)}"
    assert lost.startswith(f"  lost      {gone.relative_to(own.parent)}: ")
    assert run("repair", "own.clr").stdout == "own.clr: 35 images, nothing damaged.\n"
    run("search", "own.clr", there)


def test_what_is_no_collection(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = run("repair", "folder", exit_code=2)
    assert result.stderr.startswith("Error: folder is not a collection.\n")
