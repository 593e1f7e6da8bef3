"""Long work: it is done aside, once, and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clr_search.app.library.library import Library
from clr_search.app.library.uploads import Uploads
from clr_search.app.overview.work import Progress, Tell, Work
from clr_search.errors import ClrSearchError
from clr_search.index import Index
from tests.index.made import clustered, write_vectors


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Index.open(write_vectors(tmp_path / "c.clr", clustered(20, 8))) as index:
        library = Library(index, Uploads(tmp_path))
        yield library
        library.close()


def until(work: Work[int], met: Callable[[Progress[int]], bool]) -> Progress[int]:
    for _ in range(1000):
        progress = work.progress()
        if met(progress):
            return progress
        time.sleep(0.01)
    raise AssertionError(f"still {progress}")


def test_nobody_waits_and_it_is_done_once(library: Library) -> None:
    go, done = threading.Event(), 0

    def make(index: Index, tell: Tell) -> int:
        nonlocal done
        tell("Counting")
        assert go.wait(10)
        done += 1
        return len(index)

    work = Work(library, make)
    assert work.progress().result is None
    progress = until(work, lambda one: one.stage == "Counting")
    assert progress.running
    assert progress.result is None
    assert len(library) == 20  # which is answered while the work goes on
    go.set()
    progress = until(work, lambda one: not one.running)
    assert (progress.result, progress.stage, done) == (20, "", 1)
    assert work.progress().result == 20
    assert done == 1


def test_what_was_made_before_is_shown_until_there_is_something_newer(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, go = [1], threading.Event()
    go.set()
    monkeypatch.setattr(library, "version", lambda: version[0])

    def make(index: Index, tell: Tell) -> int:
        assert go.wait(10)
        return version[0]

    work = Work(library, make)
    assert until(work, lambda one: not one.running).result == 1
    go.clear()
    version[0] = 2
    progress = work.progress()
    assert (progress.result, progress.running) == (1, True)
    go.set()
    assert until(work, lambda one: not one.running).result == 2


def test_a_failure_is_told_once_and_then_tried_again(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [ValueError("an inner matter"), ClrSearchError("The disk is full.")]

    def make(index: Index, tell: Tell) -> int:
        if errors:
            raise errors.pop()
        return 7

    work = Work(library, make)
    with pytest.raises(ClrSearchError, match="The disk is full"):
        until(work, lambda one: not one.running)
    with pytest.raises(ClrSearchError, match="its log says how"):
        until(work, lambda one: not one.running)
    assert "an inner matter" in caplog.text
    assert until(work, lambda one: not one.running).result == 7
