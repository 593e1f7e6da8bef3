"""Every format and mode decodes to upright RGB; nothing but ImageError comes out of bad bytes."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features

from clr_search import images
from clr_search.errors import ImageError, UsageError
from clr_search.images import decoding, limits, reading

# Pillow warns of damaged EXIF and TIFF tags.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

Pixels = NDArray[np.uint8]

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
FORMATS = [
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIC"),
    pytest.param("AVIF", marks=needs_avif),
]
LOSSLESS = ["PNG", "WEBP", "BMP", "TIFF"]


def ramp(height: int = 24, width: int = 40) -> Pixels:
    """Smooth, without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), 40 + (x + y) % 9)
    return np.stack(planes, axis=-1).astype(np.uint8)


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    if kind == "WEBP":
        options.setdefault("lossless", True)
    if kind == "JPEG":
        options = {"quality": 97, "subsampling": 0} | options
    out = BytesIO()
    if kind == "HEIC":
        heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
        heif.from_pillow(image).save(out, quality=90, chroma=444, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def png(colour_type: int, depth: int, rows: Pixels, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, for what Pillow does not write; `rows` are its raw bytes."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    width = rows.shape[1] * 8 // (depth * channels)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(kind: str) -> None:
    picture = images.decode(file_of(Image.fromarray(ramp()), kind))
    assert (picture.width, picture.height) == (40, 24)
    assert picture.pixels.shape == (24, 40, 3)
    assert picture.pixels.dtype == np.uint8
    if kind in LOSSLESS:
        assert np.array_equal(picture.pixels, ramp())
    else:
        assert np.abs(picture.pixels.astype(int) - ramp()).mean() < 6


UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {  # the EXIF standard, tag 274
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    picture = images.decode(file_of(Image.fromarray(ramp()), kind, exif=exif))
    expected = UPRIGHT[orientation](ramp())
    assert (picture.height, picture.width) == expected.shape[:2]
    difference = np.abs(picture.pixels.astype(int) - expected)
    assert difference.mean() < (3 if kind == "JPEG" else 1e-9)


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_and_reduced_decoding_together(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = file_of(Image.fromarray(ramp(300, 500)), "JPEG", exif=exif)
    picture = images.decode(data, at_least=70)
    full = UPRIGHT[orientation](ramp(300, 500))
    assert (picture.height, picture.width) == full.shape[:2]
    assert picture.pixels.shape == (full.shape[0] // 4, full.shape[1] // 4, 3)
    assert np.abs(picture.pixels.astype(int) - full[2::4, 2::4]).mean() < 4


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_broken_exif_means_upright(exif: bytes) -> None:
    data = file_of(Image.fromarray(ramp()), "JPEG", exif=exif)
    assert images.decode(data).pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_means_upright(value: int) -> None:
    exif = Image.Exif()
    exif[274] = value
    data = file_of(Image.fromarray(ramp()), "PNG", exif=exif)
    assert np.array_equal(images.decode(data).pixels, ramp())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_over_white(kind: str) -> None:
    alpha = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (24, 1))
    data = file_of(Image.fromarray(np.dstack([ramp(), alpha])), kind, exact=True)
    share = alpha[..., None] / 255
    expected = ramp() * share + 255 * (1 - share)
    assert np.abs(images.decode(data).pixels - expected).max() <= 1


def test_transparent_grey() -> None:
    rows = np.array([[100, 0, 100, 255, 100, 128]], np.uint8)  # grey, alpha, grey, …
    found = images.decode(png(4, 8, rows)).pixels
    assert np.abs(found[0].astype(int) - [[255] * 3, [100] * 3, [177] * 3]).max() <= 1


def test_palette_with_transparency() -> None:
    palette = (b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    rows = np.array([[0, 1, 2]], np.uint8)
    opaque = images.decode(png(3, 8, rows, palette)).pixels
    assert opaque[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    some = images.decode(png(3, 8, rows, palette, (b"tRNS", bytes([255, 0])))).pixels
    assert some[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_a_transparent_colour() -> None:
    rows = np.array([[10, 20, 30, 10, 20, 31]], np.uint8)
    key = (b"tRNS", struct.pack(">HHH", 10, 20, 30))
    assert images.decode(png(2, 8, rows, key)).pixels[0].tolist() == [[255] * 3, [10, 20, 31]]


def test_transparent_grey_of_16_bits() -> None:
    rows = np.array([[0, 0, 128, 0, 255, 255]], np.uint8)
    plain = images.decode(png(0, 16, rows)).pixels
    assert plain[0, :, 0].tolist() == [0, 128, 255]
    key = (b"tRNS", struct.pack(">H", 0))
    assert images.decode(png(0, 16, rows, key)).pixels[0, :, 0].tolist() == [255, 128, 255]


def test_colour_of_16_bits() -> None:
    rows = np.array([[255, 255, 128, 0, 0, 0]], np.uint8)
    assert images.decode(png(2, 16, rows)).pixels[0].tolist() == [[255, 128, 0]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 257, 32896, 65535]], np.uint16), "PNG"),
        (np.array([[0, 257, 32896, 65535]], np.uint16), "TIFF"),
        (np.array([[0, 257, 32896, 65535]], np.int32), "TIFF"),
        (np.array([[0, 1 / 255, 128 / 255, 1]], np.float32), "TIFF"),
        (np.array([[0, 1, 128, 255]], np.float32), "TIFF"),
        (np.array([[-1000, -992.2, -0.1, 1000]], np.float32), "TIFF"),  # no known range: stretched
        (np.array([[np.nan, 1 / 255, 128 / 255, np.inf]], np.float32), "TIFF"),
    ],
)
def test_wide_grey(values: NDArray[Any], kind: str) -> None:
    found = images.decode(file_of(Image.fromarray(values), kind)).pixels
    assert np.array_equal(found[..., 0], found[..., 2])
    expected = [0, 1, 128, 255]
    if values.dtype == np.float32 and values[0, 0] == -1000:
        expected = [0, 1, 127, 255]
    if values.dtype == np.float32 and np.isnan(values[0, 0]):
        expected[3] = 255
    assert found[0, :, 0].tolist() == expected


def test_grey_that_is_the_same_everywhere() -> None:
    for value in (-5.0, 7e9):
        flat = Image.fromarray(np.full((2, 2), value, np.float32))
        assert images.decode(file_of(flat, "TIFF")).pixels.shape == (2, 2, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit(kind: str) -> None:
    image = Image.fromarray(np.array([[0, 255, 255, 0]], np.uint8)).convert("1")
    assert images.decode(file_of(image, kind)).pixels[0, :, 1].tolist() == [0, 255, 255, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_grey(kind: str) -> None:
    grey = ramp()[..., 0]
    found = images.decode(file_of(Image.fromarray(grey), kind)).pixels
    assert np.abs(found.astype(int) - grey[..., None]).max() <= 5
    assert np.array_equal(found[..., 0], found[..., 1])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # all cyan ink
    found = images.decode(file_of(image, kind)).pixels
    assert np.abs(found.astype(int) - [0, 255, 255]).max() <= 3


def test_a_film_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"save_all": True, "append_images": frames[1:]}
        found = images.decode(file_of(frames[0], kind, **options)).pixels
        assert found[3, 4].tolist() == [255, 0, 0], kind


def test_the_name_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(file_of(Image.fromarray(ramp()), "PNG"))
    assert np.array_equal(images.load(path).pixels, ramp())


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = file_of(Image.fromarray(noise), kind)
    for length in (len(data) // 2, len(data) // 4, 40, 12, 4):
        with pytest.raises(ImageError) as caught:
            images.decode(data[:length])
        assert caught.value.what
        assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\0" * 500, "nothing but zeros"),
        (b"hello, world", "not a picture"),
        (b"%PDF-1.7 ...", "PDF files are not supported"),
        (b"<svg xmlns=''></svg>", "SVG files are not supported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a picture"),  # Pillow would start Ghostscript
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "broken HEIC: "),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41mp42", "MP4 files are not supported"),
        (b"\xff\xd8\xff\xe0", "broken JPEG: its header is damaged"),
    ],
)
def test_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        images.decode(data)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_turned_once(orientation: int) -> None:
    """Its reader turns it, and keeps EXIF that says so no more."""
    exif = Image.Exif()
    exif[274] = orientation
    data = file_of(Image.fromarray(ramp(64, 96)), "HEIC", exif=exif.tobytes())
    expected = UPRIGHT[orientation](ramp(64, 96))
    picture = images.decode(data)
    assert (picture.height, picture.width) == picture.pixels.shape[:2] == expected.shape[:2]
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 6


def test_heic_is_within_limits_and_laid_over_white() -> None:
    data = file_of(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "HEIC")
    assert images.decode(data).pixels.min() > 245
    with pytest.raises(ImageError, match=r"64 × 64 pixels are more than the limit of 4,095"):
        images.decode(data, max_pixels=4095)


def test_heic_without_the_extra_says_what_it_needs() -> None:
    with (
        mock.patch.dict("sys.modules", {"pillow_heif.as_plugin": None}),
        pytest.raises(ImageError, match=r"HEIC needs the extra heif: pip install"),
    ):
        images.decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def test_truncated_jpeg_says_so() -> None:
    data = file_of(Image.fromarray(ramp(200, 200)), "JPEG")
    with pytest.raises(ImageError) as caught:
        images.decode(data[: len(data) // 2])
    assert caught.value.what == "truncated JPEG: the file ends before the picture does"


def bomb(kind: str, side: int) -> bytes:
    """A small file whose header claims side × side pixels."""
    if kind == "PNG":
        return png(0, 8, np.zeros((1, 1), np.uint8)).replace(
            struct.pack(">II", 1, 1), struct.pack(">II", side, side), 1
        )
    if kind == "GIF":
        gif = file_of(Image.fromarray(ramp()), "GIF")
        return gif[:6] + struct.pack("<HH", side, side) + gif[10:]
    if kind == "BMP":
        return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, side, side, 1, 24, *[0] * 6)
    data = bytearray(file_of(Image.fromarray(ramp()), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_bombs_are_refused_before_decoding(kind: str) -> None:
    data = bomb(kind, 60_000)
    if kind == "PNG":  # with a checksum that is right
        header = data[12:29]
        data = data[:29] + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with (
        mock.patch.object(reading, "upright", side_effect=AssertionError("decoded")),
        pytest.raises(ImageError, match="more than the limit of 200,000,000"),
    ):
        images.decode(data)


def test_the_limit_leaves_pillow_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    images.decode(file_of(Image.fromarray(ramp()), "PNG"))
    assert before == Image.MAX_IMAGE_PIXELS


def test_large_pictures_are_decoded_one_at_a_time() -> None:
    data = file_of(Image.fromarray(ramp()), "PNG")
    inside, most = [], []

    def slow(image: Image.Image) -> tuple[Image.Image, bool]:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.02)
        inside.pop()
        return image, False

    with (
        mock.patch.object(reading, "upright", slow),
        mock.patch.object(decoding, "LARGE_PIXELS", 99),
    ):
        threads = [threading.Thread(target=images.decode, args=(data,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1, 1, 1, 1]


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_geometry_of_reduced_decoding(height: int, width: int, at_least: int) -> None:
    data = file_of(Image.new("RGB", (width, height), "teal"), "JPEG")
    picture = images.decode(data, at_least=at_least)
    assert (picture.width, picture.height) == (width, height)
    found = picture.pixels.shape[:2]
    assert found in [(-(-height // scale), -(-width // scale)) for scale in (1, 2, 4, 8)]
    assert min(found) >= min(at_least, height, width)
    if min(height, width) >= 8 * at_least:
        assert found == (-(-height // 8), -(-width // 8))


def test_impossible_target() -> None:
    with pytest.raises(UsageError, match="at_least is 0"):
        images.decode(b"", at_least=0)


SEEDS = [
    file_of(Image.fromarray(ramp(9, 13)), kind)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
]
if features.check("avif"):
    SEEDS.append(file_of(Image.fromarray(ramp(9, 13)), "AVIF"))
if find_spec("pillow_heif"):
    SEEDS.append(file_of(Image.fromarray(ramp(9, 13)), "HEIC"))


@given(st.sampled_from([seed[:14] for seed in SEEDS]), st.binary(max_size=300))
@example(b"II*\0", b"\x08\0\0\0" + b"\xff" * 100)
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_image_errors_only(head: bytes, rest: bytes) -> None:
    only_image_errors(head + rest)


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4))))
@settings(max_examples=300, deadline=None)
def test_damaged_files_give_image_errors_only(data: bytes, damage: list[tuple[int, bytes]]) -> None:
    changed = bytearray(data)
    for at, what in damage:
        at %= len(changed)
        changed[at : at + len(what)] = what
    only_image_errors(bytes(changed))


def only_image_errors(data: bytes) -> None:
    reason, picture = None, None
    with mock.patch.object(limits, "MAX_PIXELS", 2**20):
        try:
            picture = images.decode(data, at_least=4)
        except ImageError as error:
            reason = error.what
    if picture is None:
        assert reason
        assert len(reason) < 250
    else:
        assert picture.pixels.ndim == 3
        assert picture.pixels.size
        assert min(picture.width, picture.height) >= 1


def slow_square(pixels: Pixels, size: int) -> NDArray[np.float64]:
    """Antialiased bilinear resize of the central square, pixel by pixel, from its definition."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    crop = pixels[top : top + side, left : left + side].astype(float)
    scale = side / size
    support = max(scale, 1.0)  # the triangle widens when shrinking
    weights = np.zeros((size, side))
    for target in range(size):
        centre = (target + 0.5) * scale - 0.5
        for source in range(side):
            weights[target, source] = max(0.0, 1 - abs(source - centre) / support)
        weights[target] /= weights[target].sum()
    return np.einsum("ty,yxc,sx->tsc", weights, crop, weights)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 24), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_square_is_the_definition(height: int, width: int, size: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = images.square(pixels, size)
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8
    assert np.abs(found - slow_square(pixels, size)).max() <= 1.5  # rounded twice


def test_square_gives_a_new_array() -> None:
    pixels = ramp(16, 16)
    found = images.square(pixels, 16)
    assert np.array_equal(found, pixels)
    found[:] = 0
    assert np.array_equal(pixels, ramp(16, 16))


def test_decode_square_keeps_a_margin_and_the_full_size() -> None:
    data = file_of(Image.fromarray(ramp(400, 640)), "JPEG")
    seen: list[Image.Image] = []
    real = decoding.squared
    with mock.patch.object(decoding, "squared", lambda i, s: (seen.append(i), real(i, s))[1]):
        picture = images.decode_square(data, 25)
    assert seen[0].size == (160, 100)
    np.testing.assert_array_equal(picture.pixels, images.square(np.array(seen[0]), 25))
    assert picture.pixels.shape == (25, 25, 3)
    assert (picture.width, picture.height) == (640, 400)


def test_from_image(tmp_path: Path) -> None:
    assert np.array_equal(images.from_image(Image.fromarray(ramp())).pixels, ramp())
    with pytest.raises(ImageError, match="not within the limits"):
        images.from_image(Image.new("RGB", (0, 5)))
    path = tmp_path / "cut.jpg"
    path.write_bytes(file_of(Image.fromarray(ramp(200, 200)), "JPEG")[:3000])
    with Image.open(path) as image, pytest.raises(ImageError, match="truncated JPEG"):
        images.from_image(image)


def test_read_gives_the_status_of_these_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 123_456_789))
    data, status = images.read(path)
    assert data == b"abc"
    assert (status.st_size, status.st_mtime_ns) == (3, 123_456_789)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        images.read(tmp_path / "none")
    with pytest.raises(ImageError, match="a folder"):
        images.read(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        images.read(Path("a\0b"))
    (tmp_path / "big").write_bytes(b"12345")
    with (
        mock.patch.object(decoding, "MAX_BYTES", 4),
        pytest.raises(ImageError, match="5 bytes are more than the limit of 4"),
    ):
        images.read(tmp_path / "big")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        images.read(tmp_path / "pipe.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(ImageError, match="permission denied"):
        images.read(path)
