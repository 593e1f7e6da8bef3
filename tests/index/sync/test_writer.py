"""Changing a collection; updates, rebuilds and vectors from elsewhere have files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index


def test_a_reader_changes_nothing(made: Path, pictures: Path, tiny_encoder: Path) -> None:
    with Index.open(made) as index:
        for attempt in (
            lambda: index.update([pictures]),
            lambda: index.add([pictures]),
            lambda: index.remove([pictures]),
            lambda: index.rebuild(tiny_encoder),
            lambda: index.add_vectors(np.ones((1, 16)), ["a.png"]),
            lambda: index.__delitem__(1),
            lambda: index.label(None),
            lambda: index.relabel({1: "x"}),
            lambda: index.aim(recall=0.9),
            lambda: index.settle(),
        ):
            with pytest.raises(UsageError, match="open for reading only") as caught:
                attempt()
            assert "writable=True" in caught.value.remedy


def test_taking_one_out_by_its_id(made: Path, pictures: Path) -> None:
    with Index.open(made, writable=True) as index:
        _take_out(index, pictures)


def _take_out(index: Index, pictures: Path) -> None:
    path = index[3].path
    del index[3]
    assert 3 not in index
    assert path not in index
    assert path.exists()
    assert list(index) == [n for n in range(1, 37) if n != 3]
    for number in (3, 99):
        with pytest.raises(ClrSearchError, match=f"no item with the id {number}"):
            del index[number]
        with pytest.raises(ClrSearchError, match=f"no item with the id {number}"):
            index[number]
    assert index.update([pictures]).added == 1
    assert index[37].path == path


def test_every_change_raises_the_revision(made: Path, pictures: Path) -> None:
    with Index.open(made, writable=True) as index:
        seen = [index.revision]
        for change in (
            lambda: index.remove([pictures / "red"]),
            lambda: index.update([pictures]),
            lambda: index.__delitem__(index.ids()[0]),
            lambda: index.add_vectors(np.ones((1, 16)), [pictures / "away.png"]),
            lambda: index.aim(recall=0.9),
        ):
            change()
            seen.append(index.revision)
        assert seen == sorted(set(seen))


def test_a_batch_of_none_is_refused(made: Path, pictures: Path) -> None:
    with (
        Index.open(made, writable=True) as index,
        pytest.raises(UsageError, match="The batch size is 0"),
    ):
        index.update([pictures], batch_size=0)
