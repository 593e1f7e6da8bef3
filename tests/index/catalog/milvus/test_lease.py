"""One writer at a time, also on several machines, and none that is waited for after its death."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFolder
from clr_search.index import Index
from clr_search.index.catalog.lock import LockedError
from clr_search.index.catalog.milvus import lease
from clr_search.index.catalog.milvus.address import Address
from clr_search.index.catalog.milvus.lease import Lease
from clr_search.index.catalog.milvus.rows import written


class Row:
    """The row of a lease on a server, which two machines see."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.address = Address.read("milvus://host/photos")
        self.away = False

    def store(self, values: list[Any]) -> None:
        if self.away:
            raise ClrSearchError("It is away.")
        self.values = values

    def stored(self) -> str | None:
        return written([["lease"], self.values], "a lease") if self.values else None

    def take(self, machine: Path) -> Lease:
        return Lease(self, OwnFolder.make(machine), self.stored, self.store)  # type: ignore[arg-type]


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Row:
    monkeypatch.setattr(lease, "_PAUSE", 0.0)
    monkeypatch.setattr(lease, "_RENEWED", 0.02)
    return Row()


def test_a_second_machine_is_refused_until_the_first_lets_go(row: Row, tmp_path: Path) -> None:
    first = row.take(tmp_path / "one")
    with pytest.raises(LockedError, match="is being written to by process"):
        row.take(tmp_path / "two")
    with pytest.raises(LockedError):
        row.take(tmp_path / "one")
    first.release()
    row.take(tmp_path / "two").release()


def test_a_lease_that_was_not_renewed_is_taken_over(row: Row, tmp_path: Path) -> None:
    row.values = ["elsewhere:/cache", 1, "ab", time.time() - lease.LASTS - 1]
    row.take(tmp_path / "one").release()
    row.values = ["elsewhere:/cache", 1, "ab", time.time() - lease.LASTS + 5]
    with pytest.raises(LockedError):
        row.take(tmp_path / "one")


def test_the_last_of_two_that_come_together_has_it(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_writes(seconds: float) -> None:
        row.values = ["elsewhere:/cache", 1, "ab", time.time()]

    monkeypatch.setattr(lease.time, "sleep", other_writes)
    with pytest.raises(LockedError):
        row.take(tmp_path / "one")


def test_a_writer_that_cannot_renew_its_lease_stops(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = row.take(tmp_path / "one")
    held.require()
    before = row.values
    while row.values == before:
        time.sleep(0.01)
    row.away = True
    monkeypatch.setattr(lease, "LASTS", 0.06)
    time.sleep(0.1)
    with pytest.raises(ClrSearchError, match="could not be told in time"):
        held.require()
    held.release()


def test_a_killed_writer_of_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    address = f"milvus+file:{tmp_path / 'all.db'}/photos"
    program = (
        "import os; from clr_search.index import Index\n"
        f"index = Index.create({address!r}, dimension=4); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with Index.open(address, writable=True) as index:
        with pytest.raises(LockedError):
            Index.open(address, writable=True)
        assert len(index) == 0
