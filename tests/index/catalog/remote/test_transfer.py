"""Copying between folders; copies to Milvus and back are in the suite of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.exchange.copying import copy_collection
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from clr_search.index.catalog.remote import transfer
from clr_search.progress import Silent
from tests.index.catalog.milvus.made import add_odd_ones, state, tell
from tests.index.made import sqlite_of


@pytest.fixture
def source(tmp_path: Path, tiny_encoder: Path) -> Path:
    pictures = add_odd_ones(tmp_path / "pictures")
    with Index.create(tmp_path / "source.clr", tiny_encoder) as index:
        tell(index, pictures)
        index.add_vectors(np.eye(16)[:2], ["a", "b/c"], root=tmp_path / "elsewhere")
    return tmp_path / "source.clr"


class _Cut(Silent):
    """Breaks a copy off after some items, as a kill would."""

    def advance(self, count: int = 1, note: str = "") -> None:
        raise KeyboardInterrupt


def test_a_copy_keeps_everything_and_goes_on_after_an_interruption(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target.clr"
    monkeypatch.setattr(transfer, "_COMMIT", 12)
    with pytest.raises(KeyboardInterrupt):
        copy_collection(source, target, reporter=_Cut())
    with Index.open(source, writable=True) as original:  # which goes on, too
        original.relabel({original.ids()[0]: "another"})
    report = copy_collection(source, target)
    assert (report.added, report.changed, report.unchanged) == (5, 1, 11)
    with Index.open(target) as copied, Index.open(source) as original:
        assert state(copied) == state(original)
    assert copy_collection(source, target).unchanged == 17


def test_a_copy_that_is_used_gets_what_is_new_and_keeps_its_own(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target.clr"
    copy_collection(source, target)
    with Index.open(source, writable=True) as original:
        original.add_vectors(np.eye(16)[2:3], ["d"], root=tmp_path / "elsewhere")
    assert copy_collection(source, target).added == 1


def _relabel(index: Index) -> None:
    index.relabel({index.ids()[0]: "mine"})


def _rate(index: Index) -> None:
    index.give_columns({"rating": {index.ids()[0]: 5}})


def _all_labels(index: Index) -> None:
    index.label(dict.fromkeys(index.ids(), "mine"))


@pytest.mark.parametrize("change", [_relabel, _rate, _all_labels])
def test_nothing_that_a_finished_copy_was_told_is_overwritten(
    source: Path, tmp_path: Path, change: Callable[[Index], None]
) -> None:
    """Before, the same command again took away labels and columns without a word."""
    target = tmp_path / "target.clr"
    copy_collection(source, target)
    with Index.open(target, writable=True) as used:
        change(used)
        told = state(used)
    with pytest.raises(UsageError, match=r"no unfinished copy .* a copy would overwrite them"):
        copy_collection(source, target)
    with Index.open(target) as used:
        assert state(used) == told


def test_what_cannot_be_copied_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the source itself"):
        copy_collection(source, source)
    with Index.create(tmp_path / "other.clr", dimension=16) as other:
        other.add_vectors(np.eye(16)[:1], ["/x"])
    with pytest.raises(UsageError, match="pictures that"):
        copy_collection(source, tmp_path / "other.clr")
    connection = sqlite_of(source)
    connection.execute("UPDATE items SET embedding = zeroblob(32) WHERE id = 3")
    connection.close()
    with pytest.raises(ClrSearchError, match=r"The vector of .* is damaged") as caught:
        copy_collection(source, tmp_path / "target.clr")
    assert "clr-search repair" in caught.value.remedy
