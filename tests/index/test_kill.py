"""Writers that are killed with SIGKILL at random instants: nothing is lost, nothing comes twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clr_search.index import Index
from tests.index.made import rows_of, write_noise
from tests.tiny import write_tiny_encoder

COUNT = 300

# Says when it begins to work, so that kills do not all fall into the imports.
WRITER = """
import sys
from contextlib import suppress
from clr_search.errors import UsageError
from clr_search.index import Index, maintenance
from clr_search.index.ann import structures
from clr_search.progress import Lines
import clr_search.index.sync.rebuild, clr_search.index.sync.update, faiss
what, collection, *rest = sys.argv[1:]
structures.EXACT_ITEMS, maintenance.MOST_BESIDE = 120, 20
print("ready", flush=True)
reporter = Lines(interval=0)
if what == "build":
    with Index.create(collection, rest[0], reporter=reporter) as index:
        index.update(rest[1:], batch_size=3, workers=1, reporter=reporter)
if what == "remove":
    with Index.open(collection, writable=True, reporter=reporter) as index:
        for folder in rest:
            with suppress(UsageError):  # it is gone already
                index.remove([folder])
if what == "rebuild":
    with Index.open(collection, writable=True, reporter=reporter) as index:
        index.rebuild(rest[0], batch_size=3, workers=1, reporter=reporter)
print("done", flush=True)
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    """A writer that has begun to work."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def finish(*arguments: object) -> float:
    """Seconds an uninterrupted run took to work."""
    writer = start(*arguments)
    began = time.monotonic()
    output, errors = writer.communicate()
    assert output == "done\n", errors
    return time.monotonic() - began


def kill_often(longest: list[float], seed: int, *arguments: object) -> int:
    """Kill a writer after each of these times, then let one finish; how many were at work."""
    delays = random.Random(seed)
    killed = 0
    for most in longest:
        writer = start(*arguments)
        time.sleep(delays.uniform(0, most))
        writer.send_signal(signal.SIGKILL)
        output, _ = writer.communicate()
        killed += "done" not in output
    finish(*arguments)
    return killed


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_noise(tmp_path_factory.mktemp("kill") / "photos", COUNT)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def whole(photos: Path, tiny_encoder: Path) -> tuple[Path, float]:
    """A collection built without interruption, and the seconds it took."""
    path = photos.parent / "whole.clr"
    return path, finish("build", path, tiny_encoder, photos)


def check(collection: Path, photos: Path) -> None:
    """Of the right files, with a generation that serves, and nothing left over."""
    with Index.open(collection) as index:
        info = index.info()
        assert info.generation is not None
        assert [entry.path.name for entry in index.skipped()] == ["broken.png"]
        found = index.search(photos / "000" / "00003.png", 5, include_self=True)
        assert found.paths[0] == photos / "000" / "00003.png"
        assert index.encoder.sha256 == info.encoder_sha256
    names = {path.name for path in collection.iterdir()}
    assert names - {"catalog.sqlite-wal", "catalog.sqlite-shm"} == {
        "ann", "catalog.sqlite", "encoder.onnx", "lock",
    }  # fmt: skip
    number = info.generation
    names = {path.name for path in (collection / "ann").iterdir()}
    assert names == {f"{number}.faiss", f"{number}.vectors"}


def test_a_build_killed_often_is_the_one_never_interrupted(
    whole: tuple[Path, float], photos: Path, tiny_encoder: Path
) -> None:
    path = photos.parent / "killed.clr"
    # The first ten cannot get through, the last three may come to build the search structure.
    longest = [whole[1] / 8] * 10 + [whole[1] / 2] * 3
    assert kill_often(longest, 1, "build", path, tiny_encoder, photos) >= 10
    expected = rows_of(whole[0])
    assert len(expected) == COUNT
    assert rows_of(path) == expected
    check(path, photos)


def test_removal_and_rebuild_killed_at_any_time(
    whole: tuple[Path, float], photos: Path, tmp_path: Path
) -> None:
    path = photos.parent / "changed.clr"
    shutil.copytree(whole[0], path)
    folders = [photos / f"{number:03d}" for number in range(5, 15)]
    kill_often([0.3] * 3, 2, "remove", path, *folders)
    left = rows_of(path)
    assert left == {
        name: row for name, row in rows_of(whole[0]).items() if Path(name).parent not in folders
    }
    other = write_tiny_encoder(tmp_path / "other.onnx", seed=1)
    writer = start("rebuild", path, other)
    time.sleep(0.2)
    writer.send_signal(signal.SIGKILL)
    if "done" not in writer.communicate()[0]:
        assert rows_of(path) == left  # not half one, half the other
    kill_often([whole[1] / 4] * 5, 3, "rebuild", path, other)
    fresh = photos.parent / "fresh.clr"
    finish("build", fresh, other, photos)
    expected = rows_of(fresh)
    assert rows_of(path) == {name: expected[name] for name in left}
    check(path, photos)


def test_ctrl_c_keeps_what_is_done_and_says_so(
    photos: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.clr"
    writer = start("build", path, tiny_encoder, photos)
    assert writer.stderr is not None
    while "Embedding:" not in writer.stderr.readline():
        pass
    writer.send_signal(signal.SIGINT)
    output, errors = writer.communicate()
    assert "done" not in output
    assert "images are done and kept; the same command goes on from there." in errors
    assert writer.returncode != 0
    done = len(rows_of(path))
    assert 0 < done < COUNT
    finish("build", path, tiny_encoder, photos)
    assert len(rows_of(path)) == COUNT
