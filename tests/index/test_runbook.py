"""Changes and searches in any order, held against a model: a dict of files, and numpy.

In the manner of the streaming track of big-ann-benchmarks (arXiv 2409.17424), whose runbooks
insert, delete and search; here also with renames, changed files, new generations, another encoder,
filters, and readers that look on. FAISS is asked for all it holds, so that answers must be exact.
For a long run: ``CLR_SEARCH_RUNBOOKS=500``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clr_search.errors import UsageError
from clr_search.files.write import sha256_bytes
from clr_search.index import Index, maintenance
from clr_search.index.ann import inverted, structures
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.vectors import from_blobs
from clr_search.index.search import snapshot
from tests.index.made import Vectors, rows_of, write_noise
from tests.tiny import write_tiny_encoder

D = 16
FOLDERS = ("a", "b", "b/c")
PATHS = tuple(f"{folder}/{number}.png" for folder in FOLDERS for number in range(8))
CONTENTS = 30


class World:
    """What files may hold, and the vector of each by each encoder.

    Attributes
    ----------
    files : list of bytes
        Small pictures, all different.
    encoders : list of Path
        Two.
    vectors : list of dict
        For each encoder, the vector of a content, by its number.
    """

    def __init__(self, folder: Path) -> None:
        photos = write_noise(folder / "photos", CONTENTS)
        self.files = [path.read_bytes() for path in sorted(photos.rglob("*.png"))]
        self.encoders = [write_tiny_encoder(folder / f"{n}.onnx", seed=n) for n in range(2)]
        self.vectors = []
        numbers = {sha256_bytes(data): number for number, data in enumerate(self.files)}
        for number, encoder in enumerate(self.encoders):
            with Index.create(folder / f"{number}.clr", encoder) as index:
                index.update([photos])
            rows = rows_of(folder / f"{number}.clr").values()
            self.vectors.append({numbers[s]: from_blobs([blob], D)[0] for s, blob in rows})


class Runbook(RuleBasedStateMachine):
    """`on_disk` and `items` have the number of the content by path; `items` is the collection."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._place = tempfile.TemporaryDirectory()
        self._root = Path(self._place.name).resolve() / "photos"
        self._root.mkdir()
        self._collection = self._root.parent / "x.clr"
        self._encoder = 0
        self._clock = 10**18  # no two writes at the same time
        self._goal = 0
        self.on_disk: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self._ids: set[int] = set()
        self._left: set[int] = set()
        self._index = Index.create(self._collection, world.encoders[0])
        self._reader = Index.open(self._collection)
        for number, path in enumerate(PATHS[:12]):
            self._write(path, number)
        self.update()

    def teardown(self) -> None:
        self._index.close()
        self._reader.close()
        self._place.cleanup()

    def _write(self, path: str, content: int) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self._world.files[content])
        self._clock += 10**9
        os.utime(place, ns=(self._clock, self._clock))
        self.on_disk[path] = content

    # -- the disk

    @rule(path=st.sampled_from(PATHS), content=st.integers(0, CONTENTS - 1))
    def write(self, path: str, content: int) -> None:
        self._write(path, content)

    @rule(folder=st.sampled_from(FOLDERS), first=st.integers(0, CONTENTS - 8))
    def write_many(self, folder: str, first: int) -> None:
        for number in range(8):
            self._write(f"{folder}/{number}.png", first + number)

    @precondition(lambda self: self.on_disk)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.on_disk)))
        (self._root / path).unlink()
        del self.on_disk[path]

    @precondition(lambda self: self.on_disk)
    @rule(data=st.data(), to=st.sampled_from(PATHS))
    def move(self, data: st.DataObject, to: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.on_disk)))
        (self._root / to).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).replace(self._root / to)
        self.on_disk[to] = self.on_disk.pop(path)

    # -- the collection

    @rule()
    def update(self) -> None:
        if not self.on_disk:
            with pytest.raises(UsageError):
                self._index.update([self._root])
            return
        report = self._index.update([self._root], batch_size=5, workers=1)
        assert report.added + report.changed + report.moved + report.unchanged == len(self.on_disk)
        self.items = dict(self.on_disk)

    @precondition(lambda self: self.on_disk)
    @rule()
    def add(self) -> None:
        self._index.add([self._root], batch_size=5, workers=1)
        self.items |= self.on_disk

    @rule(what=st.sampled_from([*FOLDERS, *PATHS[:4]]))
    def remove(self, what: str) -> None:
        doomed = {p for p in self.items if p == what or p.startswith(what + "/")}
        if not doomed:
            with pytest.raises(UsageError):
                self._index.remove([self._root / what])
            return
        assert self._index.remove([self._root / what]) == len(doomed)
        self.items = {path: c for path, c in self.items.items() if path not in doomed}

    @rule()
    def new_generation(self) -> None:
        self._goal += 1
        self._index.aim(recall=0.9 + 0.001 * self._goal)
        self._index.settle()
        assert (self._index.info().generation is None) == (
            len(self.items) <= structures.EXACT_ITEMS
        )

    @precondition(lambda self: self.items.keys() & self.on_disk.keys())
    @rule()
    def another_encoder(self) -> None:
        self._encoder = 1 - self._encoder
        self._index.rebuild(self._world.encoders[self._encoder], batch_size=5, workers=1)
        self.items = {p: self.on_disk[p] for p in self.items if p in self.on_disk}

    @rule(fresh_reader=st.booleans())
    def reopen(self, fresh_reader: bool) -> None:
        self._index.close()
        self._index = Index.open(self._collection, writable=True)
        if fresh_reader:
            self._reader.close()
            self._reader = Index.open(self._collection)

    # -- looking on

    @rule(seed=st.integers(0, 2**16))
    def a_snapshot_stays_what_it_was(self, seed: int) -> None:
        before = dict(self.items)
        with self._reader.snapshot():
            self._agrees(self._reader, before, seed, 5)
            self.update()
            self._agrees(self._reader, before, seed, 5)
        self._agrees(self._reader, self.items, seed, 5)

    @precondition(lambda self: self.items)
    @rule(
        seed=st.integers(0, 2**16),
        k=st.sampled_from([1, 3, 10, 50]),
        under=st.sampled_from([None, *FOLDERS]),
        side=st.sampled_from([None, 24]),
        writer=st.booleans(),
    )
    def search(self, seed: int, k: int, under: str | None, side: int | None, writer: bool) -> None:
        index = self._index if writer else self._reader
        left = {p: c for p, c in self.items.items() if not under or p.startswith(under + "/")}
        where = Filter(under=under and str(self._root / under), min_side=side)
        if left:
            self._agrees(index, left, seed, k, where)
        else:
            with pytest.raises(UsageError):
                index.search_vector(np.ones(D, np.float32), k, where=where)

    @rule(seed=st.integers(0, 2**16), k=st.sampled_from([1, 4, 60]))
    def search_in_batch(self, seed: int, k: int) -> None:
        queries = np.random.default_rng(seed).normal(size=(3, D)).astype(np.float32)
        found = self._reader.search_vectors(queries, k)
        ids, scores = found.ids, found.scores
        for query, near, at in zip(queries, ids, scores, strict=True):
            there = near >= 0
            assert there.sum() == min(k, len(self.items))
            assert (at[~there] == -np.inf).all()
            self._right(self._reader, self.items, query, near[there].tolist(), at[there])

    @invariant()
    def each_picture_once(self) -> None:
        for index in (self._index, self._reader):
            ids = index.ids()
            paths = [item.relative for item in index.items(ids)]
            assert sorted(paths) == sorted(self.items)
        assert not self._left & set(ids), "an id has come back"
        self._left |= self._ids - set(ids)
        self._ids = set(ids)

    def _agrees(
        self, index: Index, items: dict[str, int], seed: int, k: int, where: Filter | None = None
    ) -> None:
        query = np.random.default_rng(seed).normal(size=D).astype(np.float32)
        found = index.search_vector(query, k, where=where)
        assert len(found) == min(k, len(items))
        self._right(index, items, query, found.ids.tolist(), found.scores)

    def _right(
        self, index: Index, items: dict[str, int], query: Vectors, ids: list[int], scores: Vectors
    ) -> None:
        """Of the best there are, each with its own score; which of equal ones does not matter."""
        vectors = self._world.vectors[self._encoder]
        unit = query / np.linalg.norm(query)
        truth = {path: float(vectors[content] @ unit) for path, content in items.items()}
        paths = [item.relative for item in index.items(ids)]
        assert len(set(paths)) == len(paths)
        np.testing.assert_allclose(scores, [truth[path] for path in paths], atol=2e-6)
        best = sorted(truth.values(), reverse=True)[: len(paths)]
        np.testing.assert_allclose(scores, best, atol=2e-6)


def test_any_run_of_changes_and_searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 8)
    monkeypatch.setattr(snapshot, "EXACT_FILTERED", 3)
    monkeypatch.setattr(snapshot, "_FEW", 1)
    monkeypatch.setattr(maintenance, "MOST_BESIDE", 3)
    monkeypatch.setattr(inverted, "usual_candidates", lambda k: 1000)
    world = World(tmp_path)
    run_state_machine_as_test(
        lambda: Runbook(world),
        settings=settings(
            max_examples=int(os.environ.get("CLR_SEARCH_RUNBOOKS", 8)),
            stateful_step_count=25,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
