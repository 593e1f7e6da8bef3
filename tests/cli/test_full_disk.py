"""A disk that is full at any point of the work: a real one, of tmpfs in a namespace of its own.

Its file is named, what was there before stays, and with room again the same command ends as it
should: no picture is lost, and none is there twice.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

MOUNT = 'mount --make-rprivate / && mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
"""Shell: mount the small disk, and run the rest; only this process and its children see it."""


def alone(*words: object) -> list[str]:
    return ["unshare", "-m", *([] if os.getuid() == 0 else ["-r"]), *map(str, words)]


@pytest.fixture(scope="module", autouse=True)
def _namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("disk")
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("a disk of one's own needs namespaces of Linux")
    probe = alone("bash", "-c", MOUNT, folder, "true")
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this system mounts no disk of one's own")


SCRIPT = """
import json, os, sys
from pathlib import Path
from click.testing import CliRunner
from clr_search.cli.main import main
from clr_search.index import Index

disk, left, first, work = Path(sys.argv[1]), int(sys.argv[2]), *map(json.loads, sys.argv[3:5])
collection, ballast = disk / "x.clr", disk / "ballast"

def run(words):
    done = CliRunner().invoke(main, words)
    return {"code": done.exit_code, "out": done.output, "error": done.stderr}

def there():
    if not collection.exists():
        return None
    with Index.open(collection) as index:
        return sorted(str(item.path) for item in index.items(index.ids()))

for words in first:
    assert run(words)["code"] == 0, run(words)
before = there()
space = os.statvfs(disk)
room = space.f_bavail * space.f_frsize
with ballast.open("wb") as file:
    os.posix_fallocate(file.fileno(), 0, room - left)
full = run(work)
kept = there() if before else None
ballast.unlink()
again = run(work)
after = there() if again["code"] == 0 else None
print(json.dumps({"before": before, "full": full, "kept": kept, "again": again, "after": after}))
"""


def tried(disk: Path, left: int, first: Sequence[Sequence[object]], work: Sequence[object]) -> dict:
    given = [
        json.dumps([list(map(str, words)) for words in first]),
        json.dumps(list(map(str, work))),
    ]
    command = alone("bash", "-c", MOUNT, disk, sys.executable, "-c", SCRIPT, disk, left, *given)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


POINTS = ("made", "first batch", "update", "add", "rebuild")


@pytest.mark.parametrize("point", POINTS)
def test_no_picture_is_lost_and_none_twice(
    point: str, disk: Path, pictures: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    collection = disk / "x.clr"
    photos = Path(shutil.copytree(pictures, tmp_path / "photos"))
    build = ["build-index", photos, "--index", collection, "--encoder", tiny_encoder]
    few = ["build-index", photos / "red", *build[2:]]
    first, work, left = {
        "made": ([], build, 8192),
        "first batch": ([], build, 180_000),
        "update": ([few], build, 4096),
        "add": ([few], ["add", collection, photos / "blue", photos / "green"], 4096),
        "rebuild": ([build], [*build, "--rebuild"], 4096),
    }[point]
    found = tried(disk, left, first, work)
    assert found["full"]["code"] == 1, found["full"]
    said = found["full"]["error"]
    assert "Error: " in said
    assert "x.clr" in said
    assert "unexpected" not in said
    assert "full" in said or "No space left" in said
    if found["before"] is not None:
        assert isinstance(found["kept"], list)
        assert set(found["before"]) <= set(found["kept"])
        assert len(found["kept"]) == len(set(found["kept"]))
    assert found["again"]["code"] == 0, found["again"]
    every = sorted(str(path) for path in photos.rglob("*.*g"))
    assert found["after"] == every


@pytest.mark.parametrize(
    "work",
    [
        ("search", "x.clr", "QUERY", "-k", "36", "--out", "DISK/found.csv"),
        ("search", "x.clr", "QUERY", "--contact-sheet", "DISK/sheet.png"),
        ("cluster", "x.clr", "--html", "DISK/page.html"),
        ("map", "x.clr", "--out", "DISK/map.png"),
        ("probe", "x.clr", "--out", "DISK/probe.onnx"),
        ("export-site", "x.clr", "--out", "DISK/site"),
    ],
    ids=lambda work: f"{work[0]} {work[-2]}",
)
def test_a_result_that_does_not_fit_is_named(
    work: tuple[str, ...], disk: Path, collection: Path, pictures: Path
) -> None:
    given = {"x.clr": str(collection), "QUERY": str(pictures / "red" / "red00.jpg")}
    spelt = [given.get(part, part).replace("DISK", str(disk)) for part in work]
    found = tried(disk, 0, [], spelt)
    said = found["full"]["error"]
    assert found["full"]["code"] == 1, found["full"]
    assert str(disk) in said
    assert "unexpected" not in said
    assert "No space left" in said
    assert found["again"]["code"] == 0, found["again"]
