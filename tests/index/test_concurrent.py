"""One writer, many readers, in many processes and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.index import Index, maintenance
from clr_search.index.ann import generations
from clr_search.index.catalog.catalog import Catalog
from tests.index.conftest import paths_of
from tests.index.made import Heard, Vectors, insert

pytestmark = pytest.mark.usefixtures("small_limits")


def test_a_second_writer_is_refused_and_a_reader_is_not(many: Path) -> None:
    with Index.open(many, writable=True) as writer:
        with pytest.raises(UsageError, match=f"being written to by process {os.getpid()}"):
            Index.open(many, writable=True)
        code = "import sys; from clr_search.index import Index\n" + (
            "print(len(Index.open(sys.argv[1])))\n"
            "try: Index.open(sys.argv[1], writable=True)\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, many], capture_output=True, text=True, check=True
        )
        lines = done.stdout.splitlines()
        assert lines[0] == "3000"
        assert lines[1].startswith(f"LockedError {many} is being written to by process")
        assert "searching works meanwhile" in lines[1]
        assert len(writer) == 3000
    Index.open(many, writable=True).close()


def test_readers_see_whole_batches_while_a_writer_adds_and_removes(
    many: Path, fresh: Vectors
) -> None:
    """Readers search all the while; every answer is of one moment, and generations change."""
    done = threading.Event()
    failures: list[str] = []
    seen: set[int | None] = set()

    def read() -> None:
        heard = Heard()
        with Index.open(many, reporter=heard) as reader:
            while not done.is_set():
                with reader.snapshot():
                    count = len(reader)
                    seen.add(reader.info().generation)
                found = reader.search_vector(fresh[0], 10)
                if (count - 3000) % 40 or len(found) != 10:
                    failures.append(f"{count} items, {len(found)} found")
                if found.scores[0] > 1 - 1e-6 and not str(found.paths[0]).endswith("003000.png"):
                    failures.append(f"{found}")
        failures.extend(heard.messages)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    catalog = Catalog(many, writable=True)
    try:
        for _ in range(4):
            for start in range(0, 400, 40):
                paths = paths_of(40, first=3000 + start)
                insert(catalog, fresh[start : start + 40], paths)
            maintenance.settle(catalog, Heard())
            with catalog.reading():
                newest = generations.embeddings.ids(catalog)[-400:].tolist()
            with catalog.writing():
                catalog.delete(newest)
            maintenance.settle(catalog, Heard())
    finally:
        done.set()
        for thread in readers:
            thread.join()
        catalog.database.close()
    assert failures == []
    assert len(seen - {None}) >= 3


def test_a_file_that_is_deleted_between_snapshot_and_reading_is_no_damage(
    many: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has seen generation 1 named finds it gone: it goes on with the second."""
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    real = generations.verified
    with Index.open(many, reporter=(heard := Heard())) as reader:

        def late(folder: Path, generation: generations.Generation) -> bytes:
            if generation.number == 1:
                generations.publish(catalog)
            return real(folder, generation)

        monkeypatch.setattr(generations, "verified", late)
        assert reader.search_vector(rows[5], 1).ids.tolist() == [6]
        assert reader.info().generation == 2
    assert heard.messages == []


def test_one_index_in_many_threads(many: Path, rows: Vectors) -> None:
    maintenance.settle(Catalog(many, writable=True), Heard())
    wrong: list[int] = []
    with Index.open(many) as index:

        def search(first: int) -> None:
            wrong.extend(
                position
                for position in range(first, 3000, 200)
                if index.search_vector(rows[position], 1).ids.tolist() != [position + 1]
            )

        threads = [threading.Thread(target=search, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
