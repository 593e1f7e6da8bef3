"""Run-length encoded BMPs: the decoder against its definition, and as any encoder writes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.costly import bmp_runs
from clr_search import images
from clr_search.errors import ImageError

Indices = NDArray[np.uint8]


def encoded(rows: Indices, bits: int, literal: bool) -> bytes:
    """Runs of one index; in between, where `literal`, stretches as they are."""
    out = bytearray()
    for row in rows[::-1]:
        at = 0
        while at < len(row):
            alike = 1
            while at + alike < len(row) and alike < 255 and row[at + alike] == row[at]:
                alike += 1
            stretch = row[at : at + 5]
            if literal and alike < 3 and len(stretch) >= 3:
                body = stretch.tobytes()
                if bits == 4:
                    padded = [*stretch.tolist(), 0]
                    body = bytes(padded[n] << 4 | padded[n + 1] for n in range(0, len(stretch), 2))
                out += bytes((0, len(stretch))) + body + b"\0" * (len(body) % 2)
                at += len(stretch)
            else:
                value = int(row[at])
                out += bytes((alike, value if bits == 8 else value << 4 | value))
                at += alike
        out += b"\0\0"
    return bytes(out) + b"\0\1"


def colours(rows: Indices, bits: int) -> NDArray[np.uint8]:
    """As the palette of `bmp_runs` has them: 255 − n, n, n."""
    return np.stack([255 - rows, rows, rows], axis=-1)


@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 9),
    width=st.integers(1, 40),
    few=st.integers(1, 16),
    bits=st.sampled_from([4, 8]),
    literal=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_every_encoding_is_read(
    seed: int, height: int, width: int, few: int, bits: int, literal: bool
) -> None:
    rows = np.random.default_rng(seed).integers(0, few, (height, width)).astype(np.uint8)
    picture = images.decode(bmp_runs(width, height, encoded(rows, bits, literal), bits))
    np.testing.assert_array_equal(picture.pixels, colours(rows, bits))


def test_skipped_pixels_have_the_first_colour() -> None:
    runs = b"\0\2\3\1" + b"\2\7" + b"\0\0" + b"\0\1"  # a row and three pixels further, two of 7
    picture = images.decode(bmp_runs(5, 3, runs))
    expected = np.zeros((3, 5), np.uint8)
    expected[1, 3:] = 7
    np.testing.assert_array_equal(picture.pixels, colours(expected, 8))


def test_a_run_ends_with_its_row() -> None:
    picture = images.decode(bmp_runs(3, 2, b"\xff\1\0\0\xff\2\0\1"))
    np.testing.assert_array_equal(
        picture.pixels, colours(np.array([[2] * 3, [1] * 3], np.uint8), 8)
    )


def test_a_picture_from_the_top_down() -> None:
    data = bytearray(bmp_runs(2, 2, b"\2\1\0\0\2\2\0\1"))
    data[22:26] = (-2).to_bytes(4, "little", signed=True)
    expected = colours(np.array([[1, 1], [2, 2]], np.uint8), 8)
    np.testing.assert_array_equal(images.decode(bytes(data)).pixels, expected)


@pytest.mark.parametrize("runs", [b"", b"\2\1", b"\2\1\0", b"\0\2\1", b"\0\5\1"])
def test_runs_that_end_early_are_truncated(runs: bytes) -> None:
    with pytest.raises(ImageError, match="truncated BMP"):
        images.decode(bmp_runs(9, 9, runs))
