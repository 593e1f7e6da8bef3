"""A lock that ends with its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.files.exclusive import Exclusive
from clr_search.files.own import OwnFile

HOLD = """
import sys, time
from pathlib import Path
from clr_search.files.exclusive import Exclusive
from clr_search.files.own import OwnFile

with Exclusive(OwnFile.at(Path(sys.argv[1]))) as lock:
    print(lock.held, flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    file = OwnFile.at(tmp_path / "a.lock")
    with Exclusive(file) as first:
        assert first.held
        with Exclusive(file) as second:
            assert not second.held
        with Exclusive(OwnFile.at(tmp_path / "b.lock")) as other:
            assert other.held
    assert not first.held
    with Exclusive(file) as third:
        assert third.held


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with Exclusive(OwnFile.at(path)) as ours:
            assert not ours.held
    finally:
        process.kill()
        process.communicate()
    with Exclusive(OwnFile.at(path)) as ours:
        assert ours.held


def test_a_file_that_was_deleted_is_another_one(tmp_path: Path) -> None:
    """So whoever deletes a lock file leaves a result first, by which others see what is done."""
    file = OwnFile.at(tmp_path / "a.lock")
    with Exclusive(file) as first:
        file.delete()
        with Exclusive(file) as second:
            assert first.held
            assert second.held


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*given: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", without)
    with (
        pytest.raises(ClrSearchError, match=r"a\.lock cannot be locked: Function not impl"),
        Exclusive(OwnFile.at(tmp_path / "a.lock")),
    ):
        pass
