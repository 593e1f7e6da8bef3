"""``build-index --watch``, as the process that it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clr_search.files.write import sha256_file
from clr_search.index import Index
from tests.cli.conftest import Run
from tests.index.made import write_noise

pytest.importorskip("watchfiles", reason="needs the extra watch")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are different there")

QUICK = """
import sys
from clr_search.index import follow
from clr_search.index.sync import watch
watch.QUIET, follow.RETRY = 0.2, 0.5
from clr_search.cli.main import main
main()
"""


class Watcher:
    """The command at work, and what it has said so far."""

    def __init__(self, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", QUICK, "build-index", *map(str, arguments), "--watch"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self.out: list[str] = []
        self.err: list[str] = []
        streams = ((self._process.stdout, self.out), (self._process.stderr, self.err))
        self._readers = [threading.Thread(target=_read, args=each) for each in streams]
        for reader in self._readers:
            reader.start()

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, (self.out, self.err)
            assert time.monotonic() < deadline, (self.out, self.err)
            time.sleep(0.05)

    def until_said(self, words: str, times: int = 1) -> None:
        self.until(lambda: sum(words in line for line in self.err) >= times)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(30)
        for reader in self._readers:
            reader.join()
        return code


def _read(stream, lines: list[str]) -> None:
    with stream:
        lines.extend(iter(lambda: stream.readline().decode(), ""))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "photos", 6)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "x.clr"


@pytest.fixture
def start(collection: Path, tiny_encoder: Path) -> Iterator[Callable[..., Watcher]]:
    """Start the command over some folders, and wait for its first update; it ends with the test."""
    running = []

    def started(*arguments: object) -> Watcher:
        encoder = () if collection.exists() else ("--encoder", tiny_encoder)
        watcher = Watcher(*arguments, "--index", collection, *encoder)
        running.append(watcher)
        return watcher

    yield started
    for watcher in running:
        watcher.end(signal.SIGKILL)


def on_disk(*folders: Path) -> dict[str, str]:
    """SHA-256 of all pictures by path."""
    return {str(p): sha256_file(p) for folder in folders for p in folder.rglob("*.png")}


def indexed(collection: Path) -> dict[str, str]:
    with Index.open(collection) as index:
        return {str(item.path): item.sha256 for item in index.items(index.ids())}


def count(collection: Path) -> int:
    with Index.open(collection) as index:
        return len(index)


def test_what_happens_in_the_folders_happens_in_the_collection(
    start: Callable[..., Watcher], photos: Path, collection: Path, tmp_path: Path
) -> None:
    more = write_noise(tmp_path / "more", 20, seed=1, first=10)
    pictures = sorted(more.rglob("*.png"))
    watcher = start(photos)
    watcher.until_said("Watching for changes")
    assert "x.clr: 6 images" in "".join(watcher.out)

    def follows(said: str) -> None:
        watcher.until_said(said)
        assert indexed(collection) == on_disk(photos)

    shutil.copy(pictures[0], photos / "a.png")
    follows("  1 added; 7 images")
    shutil.copy(pictures[1], photos / "b.png")
    follows("  1 added; 8 images")
    with Index.open(collection) as index:
        number = index.search(photos / "a.png", 1, include_self=True).ids[0]
    (photos / "sub").mkdir()
    (photos / "a.png").rename(photos / "sub" / "moved.png")
    follows("  1 moved; 8 images")
    with Index.open(collection) as index:
        assert index.item(number).path == photos / "sub" / "moved.png"
    shutil.copy(pictures[2], photos / "b.png")
    follows("  1 changed; 8 images")
    (photos / "b.png").unlink()
    (photos / "notes.txt").write_text("no picture")
    follows("  1 removed; 7 images")
    (photos / "000").rename(photos / "v1.0")  # a folder whose name looks like that of a file
    follows("  6 moved; 7 images")
    more.rename(photos / "more")
    follows("  20 added; 27 images")
    data = (photos / "more" / "001" / pictures[3].name).read_bytes()
    half = photos / "half.png"
    half.write_bytes(data[: len(data) // 2])
    watcher.until_said("  1 skipped; 27 images")
    watcher.until_said("  skipped ")
    half.write_bytes(data)
    follows("  1 added; 28 images")
    assert watcher.end() == 130
    assert watcher.err[-1] == "Interrupted.\n"
    # One line for each change, and nothing on what was looked at in vain.
    assert len([line for line in watcher.err if "; " in line and line[2] == ":"]) == 9


def test_a_burst_killed_and_followed_again(
    start: Callable[..., Watcher], photos: Path, collection: Path
) -> None:
    watcher = start(photos, "--batch-size", 4)
    watcher.until_said("Watching for changes")
    write_noise(photos, 200, seed=2, first=100)
    watcher.until(lambda: count(collection) > 6)
    assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
    left = count(collection)
    next(photos.rglob("*.png")).unlink()  # while nobody watches
    again = start(photos, "--json")
    again.until(lambda: len(again.out) == 1)
    if sys.platform == "linux":  # elsewhere names are text
        shutil.copy(photos / "010" / "00100.png", os.fsencode(photos) + b"/caf\xe9.png")
    write_noise(photos, 20, seed=3, first=400)
    expected = on_disk(photos)
    again.until(lambda: json.loads(again.out[-1])["images"] == len(expected))
    assert indexed(collection) == expected
    assert again.end() == 130
    reports = [json.loads(line) for line in again.out]
    changes = [report["added"] - report["removed"] for report in reports]
    assert left + sum(changes) == reports[-1]["images"] == len(expected)
    assert again.err[-1] == "Interrupted.\n"


def test_a_folder_that_goes_away_takes_nothing_along(
    start: Callable[..., Watcher], photos: Path, collection: Path, tmp_path: Path
) -> None:
    """As a disk that is unmounted, which leaves nothing, or an empty folder, and comes back."""
    other = write_noise(tmp_path / "other", 2, seed=5, first=300)
    watcher = start(photos, other)
    watcher.until_said("Watching for changes")
    photos.rename(tmp_path / "away")
    watcher.until_said(f"{photos} is not there; its pictures stay")
    shutil.copy(tmp_path / "away" / "000" / "00000.png", other / "copy.png")
    watcher.until_said("  1 added; 9 images")
    photos.mkdir()
    watcher.until_said(f"{photos} has no images at all, but 6 in the collection: is its disk")
    photos.rmdir()
    write_noise(tmp_path / "away", 1, seed=6, first=400)
    (tmp_path / "away").rename(photos)
    watcher.until_said("  1 added; 10 images")
    write_noise(photos, 1, seed=7, first=500)  # it is watched again
    watcher.until(lambda: indexed(collection) == on_disk(photos, other))
    with Index.open(collection) as index:
        assert max(index.ids()) == 11  # nothing has left and come back
    assert watcher.end() == 130


def test_others_write_between_updates_and_are_waited_for(
    start: Callable[..., Watcher], photos: Path, collection: Path, tmp_path: Path
) -> None:
    watcher = start(photos, "--poll", "0.2")
    watcher.until_said("Watching for changes")
    extra = write_noise(tmp_path / "extra", 1, seed=3, first=700)
    with Index.open(collection, writable=True) as index:
        index.add([extra])
        write_noise(photos, 1, seed=4, first=800)
        watcher.until_said(f"Waiting: {collection} is being written to by process {os.getpid()}")
        assert len(index) == 7
    watcher.until(lambda: count(collection) == 8)
    assert watcher.end() == 130


def test_wrong_use(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = next(photos.rglob("*.png"))
    for arguments, words in [
        ((picture, "--watch"), "is no folder, and only folders can be watched"),
        ((photos, "--poll", 2), "--poll belongs to --watch"),
        (("--rebuild", "--encoder", "default", "--watch"), "--watch needs IMAGES"),
    ]:
        result = run("build-index", *arguments, "--index", "new.clr", exit_code=2)
        assert words in result.stderr
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    result = run("build-index", photos, "--index", "new.clr", "--watch", exit_code=2)
    assert "pip install 'clr-search[watch]'" in result.stderr
    assert not Path("new.clr").exists()
