"""What is no part of a PNG's pixels is no reason to refuse it."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from clr_search import images
from clr_search.errors import ImageError
from clr_search.images.png import mended
from tests.images.written import chunk, png, ramp

GOOD = png(2, 8, ramp())
TEXT = b'{"node": 1}' * 200_000


def with_chunks(*chunks: bytes, at: int = 33) -> bytes:
    """A good PNG with more chunks behind its header, or elsewhere."""
    return GOOD[:at] + b"".join(chunks) + GOOD[at:]


@pytest.mark.parametrize(
    "body",
    [
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(TEXT)),
        chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(TEXT)),
        chunk(b"tEXt", b"workflow\0" + TEXT * 5),
        chunk(b"iCCP", b"scanner\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"iCCP", b"scanner\0\0no zlib stream"),
        chunk(b"iCCP", b"scanner\0\7" + zlib.compress(bytes(900))),
        chunk(b"iCCP", b""),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"0" * 3_000_000)),
        chunk(b"zTXt", b"\xff\0\7"),
        *(chunk(name, bytes(4), right=False) for name in (b"tEXt", b"gAMA", b"sRGB", b"prVt")),
        *(chunk(name, bytes(9), right=False) for name in (b"pHYs", b"tIME", b"eXIf", b"tRNS")),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_texts_profiles_and_wrong_checksums(body: bytes, before: bool) -> None:
    data = with_chunks(body, at=33 if before else len(GOOD) - 12)
    assert np.array_equal(images.decode(data).pixels, ramp())


def test_nothing_is_copied_where_nothing_is_taken_out() -> None:
    assert mended(GOOD).data is GOOD


def test_a_wrong_checksum_of_the_header_is_still_an_error() -> None:
    with pytest.raises(ImageError, match="broken PNG"):
        images.decode(GOOD[:32] + b"\0" + GOOD[33:])
