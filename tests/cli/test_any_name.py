"""No name and no time of a file stops a command."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from bench.odd_names import COMMANDS, NANOSECONDS, odd_pictures
from clr_search.cli.main import SECTIONS
from clr_search.index import Index
from clr_search.index.catalog.records import time_of
from tests.cli.conftest import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")

COMMAND = [sys.executable, "-m", "clr_search"]
ELSEWHERE = {"train", "export", "import-encoder", "study", "demo", "app", "serve"}
"""Commands that need torch or run on; below, and in their own tests."""

WITHOUT_FILES = {"doctor", "completion"}


def test_every_command_is_here() -> None:
    known = {name for section in SECTIONS.values() for name in section}
    assert known == {*COMMANDS, *ELSEWHERE, *WITHOUT_FILES}


@pytest.mark.parametrize("seed", [0, 1])
def test_no_name_or_time_stops_a_command(
    run: Run, tmp_path: Path, tiny_encoder: Path, seed: int
) -> None:
    pictures = odd_pictures(os.fsencode(tmp_path) + b"/p", seed)
    out = os.fsdecode([b"\xff \xe9{}%s", b"'\"\n\x01"][seed])
    given = {"ENCODER": str(tiny_encoder), "PICTURE": os.fsdecode(pictures[0])}
    for name, calls in COMMANDS.items():
        if name == "relocate":
            (tmp_path / "p").rename(tmp_path / f"{out}.moved")
        for arguments in calls:
            spelt = [given.get(part, part.replace("@", f"./{out}")) for part in arguments]
            run(name, *spelt)
    with Index.open(tmp_path / f"{out}.clr") as index:
        assert len(index) == 8, "the third class was removed"


@pytest.mark.parametrize("time", [*NANOSECONDS, 2**64, -(2**70)])
def test_a_time_of_any_year_is_one_that_is_stored(time: int) -> None:
    """Staged, since not every file system has every time."""

    class Status:
        st_mtime_ns = time

    stored = time_of(cast("os.stat_result", Status()))
    assert stored == max(-(2**63), min(2**63 - 1, time))
    with sqlite3.connect(":memory:") as database:
        assert database.execute("SELECT ?", (stored,)).fetchone() == (stored,)


@pytest.mark.parametrize(
    "closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&1 | true"]
)
def test_streams_that_are_closed_stop_nothing(
    tmp_path: Path, pictures: Path, tiny_encoder: Path, closed: str
) -> None:
    parts = ["build-index", pictures / "red", "--index", "x.clr", "--encoder", tiny_encoder]
    line = " ".join(map(str, [*COMMAND, *parts, closed]))
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    with Index.open(tmp_path / "x.clr") as index:
        assert len(index) == 12


@pytest.mark.parametrize("arguments", [["info", "COLLECTION"], ["--help"]])
def test_a_full_disk_of_the_output_is_named(collection: Path, arguments: list[str]) -> None:
    spelt = [str(collection) if part == "COLLECTION" else part for part in arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *spelt], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: No space left on device: the standard output\n")


def test_a_path_that_is_too_long_is_told(run: Run, tmp_path: Path, tiny_encoder: Path) -> None:
    odd_pictures(os.fsencode(tmp_path) + b"/p", 0)
    os.chdir("p")
    try:
        for _ in range(20):
            Path("d" * 240).mkdir()
            os.chdir("d" * 240)
        os.chdir(tmp_path)
        done = run("build-index", "p", "--index", "x.clr", "--encoder", tiny_encoder)
    finally:
        os.chdir(tmp_path)
        subprocess.run(["rm", "-rf", tmp_path / "p"], check=True)
    assert "12 added" in done.output
    assert "1 skipped" in done.output
    assert "too long" in done.output


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_names_are_compared_in_one_unicode_form(
    run: Run, tmp_path: Path, pictures: Path, tiny_encoder: Path, typed: str
) -> None:
    form: Callable[[str, str], str] = unicodedata.normalize
    for at, source in enumerate(sorted(pictures.glob("*/*"))[:8]):
        kept = "NFC" if at % 2 else "NFD"
        target = tmp_path / "p" / form(kept, "Café") / form(kept, f"Müller{at}{source.suffix}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    run("build-index", "p", "--index", "x.clr", "--encoder", tiny_encoder)
    query = next(pictures.glob("blue/*"))
    for option, value in (("--label", "Café"), ("--glob", "M?ller*"), ("--under", "p/Café")):
        found = run("search", "x.clr", query, "-k", 50, option, form(typed, value)).stdout
        assert len(found.splitlines()) == 8, option
    with Index.open(tmp_path / "x.clr") as index:
        assert set(index.labels()) == {form("NFC", "Café")}
        assert set(index.embeddings().labels) == {form("NFC", "Café")}
    (tmp_path / "p" / form("NFD", "Café")).rename(tmp_path / "away")
    done = run("remove", "x.clr", "p/" + form(typed, "Café"))
    assert "Removed 4 images" in done.stdout


def test_training_takes_any_name(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    odd_pictures(os.fsencode(tmp_path) + b"/p", 0)
    out = "./\udcff{}'"
    settings = ["--epochs", "1", "--image-size", "16", "--width", "0.25"]
    run("train", "p", "--out", f"{out}.run", *settings)
    run("train", "p", "--out", f"{out}.run", "--resume")
    run("export", f"{out}.run", "--out", f"{out}.onnx")
    run("info", f"{out}.run")
