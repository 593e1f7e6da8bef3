from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.index.ann import digest


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "BLOCK", 64)


def slowly(data: bytes) -> str:
    """The definition, a block after the other."""
    total = hashlib.sha256(f"{len(data)} ".encode())
    for start in range(0, len(data), 64):
        total.update(hashlib.sha256(data[start : start + 64]).digest())
    return total.hexdigest()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 6400, 10_001])
def test_bytes_and_files_have_the_digest_of_the_definition(size: int, tmp_path: Path) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    path = tmp_path / "file"
    data.tofile(path)
    assert digest.of_bytes(data) == slowly(data.tobytes())
    with path.open("rb") as file:
        assert digest.of_file(file) == slowly(data.tobytes())
        read, found = digest.read_whole(file)
    assert found == slowly(data.tobytes())
    np.testing.assert_array_equal(read, data)


def test_without_reading_at_a_place_all_threads_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.preadv", raising=False)
    data = np.arange(10_000, dtype=np.uint8)
    data.tofile(tmp_path / "file")
    with (tmp_path / "file").open("rb") as file:
        read, found = digest.read_whole(file)
        assert digest.of_file(file) == found == digest.of_bytes(data)
    np.testing.assert_array_equal(read, data)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_whatever_is_altered_changes_it(whole: bytes, drawn: st.DataObject) -> None:
    before = digest.of_bytes(np.frombuffer(whole, np.uint8))
    altered = bytearray(whole)
    altered[drawn.draw(st.integers(0, len(whole) - 1))] ^= drawn.draw(st.integers(1, 255))
    assert digest.of_bytes(np.frombuffer(bytes(altered), np.uint8)) != before
    shorter = whole[: drawn.draw(st.integers(0, len(whole) - 1))]
    assert digest.of_bytes(np.frombuffer(shorter, np.uint8)) != before


def test_blocks_that_change_places_are_noticed() -> None:
    data = np.repeat(np.arange(4, dtype=np.uint8), 64)
    assert digest.of_bytes(data) != digest.of_bytes(data[::-1].copy())


def test_in_order_is_plain_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100)
    with (tmp_path / "file").open("rb") as file:
        assert digest.in_order(file) == hashlib.sha256(b"abc" * 100).hexdigest()
