from __future__ import annotations

import numpy as np

from clr_search.site.vectors import pack, unpack
from tests.index.made import clustered


def nearest(rows: np.ndarray, queries: np.ndarray) -> list[set[int]]:
    scores = queries @ rows.T
    np.fill_diagonal(scores, -2)
    return [set(row[:10].tolist()) for row in np.argsort(-scores, axis=1)]


def test_a_byte_a_number_keeps_the_nearest() -> None:
    rows = clustered(2000, 128, seed=1)
    data = pack(rows)
    assert len(data) == 2000 * (4 + 128)
    back = unpack(data, 2000)
    assert np.allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    assert (back * rows).sum(axis=1).min() > 0.9999
    pairs = zip(nearest(rows, rows), nearest(back, rows), strict=True)
    assert np.mean([len(a & b) / 10 for a, b in pairs]) > 0.97


def test_the_layout_is_what_the_browser_reads() -> None:
    data = pack(np.array([[1, 0], [0.6, -0.8]], np.float32))
    assert data[8:] == bytes([127, 0, 95, 256 - 127])
    assert np.allclose(np.frombuffer(data[:8], "<f4"), [1 / 127, 1 / np.hypot(95, 127)])
