"""The encoder takes pictures of every kind and gives the vectors of the plain graph."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from clr_search import images
from clr_search.contract.model_file import EMBEDDING, IMAGES, TOLERANCE, Card
from clr_search.errors import ClrSearchError, UsageError
from clr_search.serve import Encoder
from clr_search.serve.sessions import BATCH

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, threads=1)


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def smooth(height: int, width: int, seed: int) -> Pixels:
    """Something like a photo: clouds of colour with sharper structure on top."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(noise(5, 7, seed=seed)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    y, x = np.mgrid[0:height, 0:width]
    stripes = 25 * np.sin(x * generator.uniform(0.02, 0.3) + y * generator.uniform(0.02, 0.3))
    return np.clip(np.asarray(small) + stripes[..., None], 0, 255).astype(np.uint8)


def test_facts(encoder: Encoder, tiny_encoder: Path) -> None:
    assert encoder.path == tiny_encoder
    assert isinstance(encoder.card, Card)
    assert (encoder.image_size, encoder.dimension) == (32, 16)
    assert len(encoder.sha256) == 64
    assert "tiny, 32×32 → 16" in repr(encoder)


def test_squares_give_the_plain_graph(encoder: Encoder, tiny_encoder: Path) -> None:
    session = onnxruntime.InferenceSession(tiny_encoder, providers=["CPUExecutionProvider"])
    squares = noise(BATCH + 3, 32, 32)
    expected = session.run([EMBEDDING], {IMAGES: squares})[0]
    found = encoder.encode_squares(squares)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_photos_agree_with_the_plain_graph(encoder: Encoder, tiny_encoder: Path) -> None:
    session = onnxruntime.InferenceSession(tiny_encoder, providers=["CPUExecutionProvider"])
    photos = [smooth(200 + 31 * n, 400 - 17 * n, n) for n in range(12)]
    found = encoder.encode(photos)
    plain = np.concatenate([session.run([EMBEDDING], {IMAGES: photo[None]})[0] for photo in photos])
    assert (found * plain).sum(axis=1).min() > 0.9999


def test_every_kind_of_picture(encoder: Encoder, tmp_path: Path) -> None:
    pixels = smooth(50, 71, 3)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    expected = encoder.encode(pixels)
    assert expected.shape == (1, 16)
    with Image.open(path) as opened:
        for same in (path, str(path), Image.fromarray(pixels), opened, [pixels], pixels[None]):
            assert np.array_equal(encoder.encode(same), expected)
    mixed = encoder.encode([pixels, path, str(path), Image.fromarray(pixels), noise(9, 400)])
    assert mixed.shape == (5, 16)
    assert np.allclose(mixed[:4], expected, atol=1e-6)
    assert not np.allclose(mixed[4], expected, atol=1e-3)


def test_bytes_and_file_objects(encoder: Encoder, tmp_path: Path) -> None:
    pixels = smooth(50, 71, 3)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    data, expected = path.read_bytes(), encoder.encode(pixels)
    for same in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert np.array_equal(encoder.encode(same), expected)
    with path.open("rb") as opened:
        found = encoder.encode([opened, io.BytesIO(data), data, pixels])
    assert np.allclose(found, np.repeat(expected, 4, axis=0), atol=1e-6)
    with path.open(encoding="latin-1") as text, pytest.raises(UsageError, match="open for text"):
        encoder.encode(text)
    with pytest.raises(ClrSearchError, match="Picture 1 cannot be embedded: not a picture"):
        encoder.encode([data, b"nothing of the kind"])
    with path.open("rb") as closed:
        pass
    with pytest.raises(ClrSearchError, match=r"picture\.png cannot be embedded.*closed file"):
        encoder.encode(closed)


def test_arrays_of_paths(encoder: Encoder, tmp_path: Path) -> None:
    paths = []
    for seed in range(3):
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(smooth(40, 50, seed)).save(paths[-1])
    expected = encoder.encode(paths)
    names = [str(path) for path in paths]
    encoded = [os.fsencode(path) for path in paths]
    for array in (np.array(names), np.array(paths, dtype=object), np.array(encoded)):
        assert np.array_equal(encoder.encode(array), expected)
    assert np.array_equal(encoder.encode(np.array(names[0])), expected[:1])
    with os.scandir(tmp_path) as entries:
        assert encoder.encode(list(entries)).shape == (3, 16)


def test_tensors(encoder: Encoder) -> None:
    torch = pytest.importorskip("torch")
    batch = np.stack([smooth(50, 71, seed) for seed in range(2)])
    expected = encoder.encode(batch)
    first = torch.from_numpy(batch).permute(0, 3, 1, 2)
    for same in (
        first,
        first / 255,
        torch.from_numpy(batch),
        list(first),
        [first[0] / 255, first[1]],
    ):
        assert np.allclose(encoder.encode(same), expected, atol=1e-6)
    assert encoder.encode(first[0]).shape == (1, 16)
    assert np.allclose(encoder.encode((first[0] / 255).requires_grad_()), expected[:1], atol=1e-6)
    grey = first[0, :1]
    assert np.allclose(encoder.encode(grey), encoder.encode(grey.expand(3, -1, -1)), atol=1e-6)
    for wrong, message in (
        (first[0] / 127.5 - 1, "numbers from -1 to 1"),
        (first.to(torch.int64), "numbers of the type int64"),
        (first[:, :2], "A tensor has the shape"),
        (torch.zeros(5), "A tensor has the shape"),
        (torch.full((3, 4, 4), float("nan")), "numbers from nan"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            encoder.encode(wrong)
        assert "torchvision" in caught.value.remedy


def test_what_cannot_be_read_can_be_skipped(encoder: Encoder, tmp_path: Path) -> None:
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    Image.fromarray(smooth(40, 50, 0)).save(good)
    broken.write_bytes(b"nothing of the kind")
    given = [tmp_path / "none.png", good, broken, b"", smooth(40, 50, 0)]
    with pytest.warns(UserWarning, match="Skipped picture") as warned:
        found = encoder.encode(given, errors="skip")
    assert np.allclose(found, np.repeat(encoder.encode(good), 2, axis=0), atol=1e-6)
    assert [str(one.message).split(":")[0] for one in warned] == [
        f"Skipped picture {position}" for position in (0, 2, 3)
    ]
    assert all(one.filename == __file__ for one in warned)  # the line that asked for it
    failed: dict[int, ClrSearchError] = {}
    assert np.array_equal(encoder.encode(given, errors=failed.setdefault), found)
    assert list(failed) == [0, 2, 3]
    assert "broken.png cannot be embedded: not a picture" in failed[2].what
    assert encoder.encode([broken], errors=failed.setdefault).shape == (0, 16)
    with pytest.raises(UsageError, match="Picture 1 is an object of type NoneType"):
        encoder.encode([good, None], errors="skip")  # a mistake in the program, not in a file
    with pytest.raises(UsageError, match="errors is 'ignore'"):
        encoder.encode(good, errors="ignore")  # type: ignore[arg-type]


def test_the_shipped_one_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Encoder("default", threads=1).sha256 == Encoder(threads=1).sha256
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").write_bytes(b"")
    with pytest.raises(UsageError, match="default"):
        Encoder("default")


def test_pickled_it_needs_no_file(encoder: Encoder, tiny_encoder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "encoder.onnx"
    copied.write_bytes(tiny_encoder.read_bytes())
    data = pickle.dumps(Encoder(copied, threads=1))
    copied.unlink()
    assert len(data) < 1.1 * tiny_encoder.stat().st_size + 10_000  # the model is in it once
    other = pickle.loads(data)
    assert (other.sha256, other.card, other.path) == (encoder.sha256, encoder.card, copied)
    assert np.array_equal(other.encode(noise(40, 50)), encoder.encode(noise(40, 50)))
    assert np.array_equal(other.with_threads(1).encode(noise(9, 9)), encoder.encode(noise(9, 9)))


def test_any_iterable_in_bounded_batches(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [noise(20 + n % 5, 30, seed=n) for n in range(2 * BATCH + 7)]
    sizes = []
    run = encoder.encode_squares
    monkeypatch.setattr(encoder, "encode_squares", lambda x: (sizes.append(len(x)), run(x))[1])
    found = encoder.encode(picture for picture in pictures)
    assert sizes == [BATCH, BATCH, 7]
    one_by_one = np.concatenate([run(images.square(p, 32)[None]) for p in pictures])
    assert np.abs(found - one_by_one).max() < 1e-6


def test_a_pillow_image_is_turned_upright(encoder: Encoder, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(smooth(40, 64, 0)).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        assert np.array_equal(encoder.encode(opened), encoder.encode(tmp_path / "turned.png"))
    upright = np.rot90(smooth(40, 64, 0), -1)  # not contiguous
    assert np.array_equal(encoder.encode(upright), encoder.encode(tmp_path / "turned.png"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (32, 32), (33, 32)])
def test_any_size(encoder: Encoder, shape: tuple[int, int]) -> None:
    found = encoder.encode(noise(*shape))
    assert found.shape == (1, 16)
    assert np.isfinite(found).all()


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.encode(np.empty((0, 5, 5, 3), np.uint8)).shape == (0, 16)
    assert encoder.encode_squares(np.empty((0, 32, 32, 3), np.uint8)).shape == (0, 16)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((8, 8, 3), np.float32), r"Picture 0 is a float32 array of shape \(8, 8, 3\)"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)], "Picture 1 is a uint8 array"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"shape \(3, 8, 8\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
        ([None], "Picture 0 is an object of type NoneType"),
        (3, "Expected pictures, but got an object of type int"),
    ],
)
def test_what_is_no_picture(encoder: Encoder, wrong: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        encoder.encode(wrong)  # type: ignore[arg-type]
    assert "uint8" in caught.value.remedy


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 31, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3))],
)
def test_what_are_no_squares(encoder: Encoder, wrong: Pixels) -> None:
    with pytest.raises(UsageError, match="Expected squares") as caught:
        encoder.encode_squares(wrong)
    assert "(N, 32, 32, 3)" in caught.value.remedy


def test_files_that_cannot_be_read_are_named(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ClrSearchError, match=r"none\.jpg cannot be embedded: the file does not"):
        encoder.encode([tmp_path / "none.jpg"])
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(ClrSearchError, match=r"empty\.jpg cannot be embedded: the file is empty"):
        encoder.encode(str(tmp_path / "empty.jpg"))
    path = tmp_path / "cut.jpg"
    Image.fromarray(noise(200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    with Image.open(path) as image, pytest.raises(ClrSearchError, match=r"cut\.jpg.*truncated"):
        encoder.encode(image)


def test_the_golden_picture(encoder: Encoder, tiny_encoder: Path, tmp_path: Path) -> None:
    assert encoder.check() <= TOLERANCE
    model = onnx.load(tiny_encoder)
    weights = next(item for item in model.graph.initializer if item.name.endswith("w1"))
    values = onnx.numpy_helper.to_array(weights).copy()
    values[0, 0, 0, 0] += 1
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    path = tmp_path / "altered.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ClrSearchError, match="does not give its golden vector"):
        Encoder(path, threads=1).check()


def test_refuses_bad_files_and_settings(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no model file"):
        Encoder(tmp_path / "none.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(tiny_encoder.read_bytes()[:-50])
    with pytest.raises(UsageError, match=r"cut\.onnx"):
        Encoder(cut)
    with pytest.raises(UsageError, match="threads is 0"):
        Encoder(tiny_encoder, threads=0)


def test_a_graph_that_the_runtime_refuses_is_named(tiny_encoder: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_encoder)
    model.graph.node.append(onnx.helper.make_node("Abs", ["nowhere"], ["unused"]))
    path = tmp_path / "dangling.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        UsageError, match=r"dangling\.onnx is not accepted by ONNX Runtime"
    ) as caught:
        Encoder(path)
    assert "\n" not in caught.value.what


def test_many_threads_at_once(encoder: Encoder) -> None:
    pictures = [noise(40, 50, seed=n) for n in range(24)]
    expected = [encoder.encode(picture) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            for found, vector in zip(pool.map(encoder.encode, pictures), expected, strict=True):
                assert np.array_equal(found, vector)


def test_with_other_threads_it_is_the_same_encoder_and_needs_no_file(
    encoder: Encoder, tiny_encoder: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "encoder.onnx"
    copied.write_bytes(tiny_encoder.read_bytes())
    first = Encoder(copied, threads=2)
    copied.unlink()
    other = first.with_threads(1)
    assert (other.sha256, other.card, other.device) == (first.sha256, first.card, first.device)
    squares = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(
        other.encode_squares(squares), encoder.encode_squares(squares), atol=TOLERANCE
    )
    with pytest.raises(UsageError, match="threads is 0"):
        first.with_threads(0)


def test_quiet_and_without_telemetry(tiny_encoder: Path) -> None:
    code = (
        "import os, sys\n"
        "from clr_search import Encoder\n"
        f"print(Encoder({str(tiny_encoder)!r}, threads=1).check() < 1e-4)\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], 'torch' in sys.modules)"
    )
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    )
    assert done.stdout.split() == ["True", "1", "False"]
    assert done.stderr == ""
