"""The time of a search, on a clock that is told what to say."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Index
from clr_search.index.search.latency import Latency, measure


def test_the_median_and_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen searches of 1 to 16 ms: the first two warm the caches, 3 to 16 ms count."""
    now, asked = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def search(vector: object, number: int) -> None:
        asked.append(number)
        now[0] += number / 1e3

    found = measure(search, np.arange(1, 17), np.ones((16, 3), np.float32))
    assert asked == list(range(1, 17))
    assert found.median == pytest.approx(9.5)
    assert found.p99 == pytest.approx(np.quantile(np.arange(3, 17), 0.99))


def test_vectors_without_direction_are_left_out() -> None:
    rows = np.zeros((3, 2), np.float32)
    assert measure(lambda *_: pytest.fail("searched"), np.arange(3), rows) == Latency(None, None)


def test_a_collection_times_its_own_searches(many: Path) -> None:
    with Index.open(many) as index:
        found = index.latency()
    assert found.median is not None
    assert found.p99 is not None
    assert 0 < found.median <= found.p99
