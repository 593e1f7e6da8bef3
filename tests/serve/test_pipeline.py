"""The pipeline: every file once and in order, whatever is wrong with it; threads that stop."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clr_search import images
from clr_search.contract.model_file import EMBEDDING, IMAGES
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.finding.find import find_images
from clr_search.images import Frame
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.serve import Encoder, pipeline
from clr_search.serve.pipeline import Embedded, Skipped, embed_files
from tests.images.isolation.hostile import do, obedient

DATA = os.environ.get("CLR_SEARCH_DATA")


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, threads=1)


@pytest.fixture(scope="module")
def files(pictures: Path) -> list[Path]:
    return [image.path for image in find_images([pictures])]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert decoders() == []


def decoders() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("clr-decode")]


def flat(batches: Iterator[list[Embedded | Skipped]]) -> list[Embedded | Skipped]:
    return [one for batch in batches for one in batch]


@pytest.mark.parametrize("workers", [1, 3, None])
@pytest.mark.parametrize("batch_size", [1, 5, 36, 100])
def test_order_and_batches(
    encoder: Encoder, files: list[Path], batch_size: int, workers: int | None
) -> None:
    batches = list(embed_files(encoder, files, batch_size=batch_size, workers=workers))
    sizes = [len(batch) for batch in batches]
    assert all(size == batch_size for size in sizes[:-1])
    assert sum(sizes) == len(files) == 36
    assert [one.path for batch in batches for one in batch] == files


def test_the_vectors_are_those_of_encode(encoder: Encoder, files: list[Path]) -> None:
    found = flat(embed_files(encoder, files, batch_size=7))
    vectors = np.stack([one.vector for one in found if isinstance(one, Embedded)])
    assert vectors.dtype == np.float32
    assert np.abs(vectors - encoder.encode(files)).max() < 1e-6


def test_what_is_told_of_a_file(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (300, 200), "olive").save(path, exif=exif)
    os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    ((found,),) = embed_files(encoder, [path])
    data = path.read_bytes()
    assert isinstance(found, Embedded)
    assert (found.path, found.size, found.mtime_ns) == (path, len(data), 1_234_567_890_123_456_789)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.width, found.height) == (200, 300)
    assert found.vector.shape == (16,)


@pytest.mark.parametrize("batch_size", [1, 5, 36])
def test_worker_processes_change_nothing(
    encoder: Encoder, files: list[Path], tmp_path: Path, batch_size: int
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    mixed = [tmp_path / "gone.jpg", *files[:9], broken, *files[9:]]
    here = flat(embed_files(encoder, mixed, batch_size=batch_size))
    apart = flat(embed_files(encoder, mixed, batch_size=batch_size, isolation=DecodingLimits()))
    assert apart == here
    for one, other in zip(here, apart, strict=True):
        if isinstance(one, Embedded) and isinstance(other, Embedded):
            assert np.array_equal(one.vector, other.vector)


def test_a_file_that_kills_its_worker_is_skipped(
    encoder: Encoder, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obedient(monkeypatch)
    hostile = tmp_path / "hostile.jpg"
    hostile.write_bytes(do("crash"))
    mixed = [*files[:3], hostile, *files[3:]]
    found = flat(embed_files(encoder, mixed, isolation=DecodingLimits()))
    assert [one.path for one in found] == mixed
    (skipped,) = (one for one in found if isinstance(one, Skipped))
    assert skipped.path == hostile
    assert "died (SIGSEGV)" in skipped.reason
    assert skipped.size == len(do("crash"))


def test_few_bytes_are_held_for_one_message(
    encoder: Encoder, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    decode = DecodingWorkers.decode_squares

    def counted(self: DecodingWorkers, contents: list[bytes], size: int) -> Any:
        sent.append(len(contents))
        return decode(self, contents, size)

    monkeypatch.setattr(DecodingWorkers, "decode_squares", counted)
    monkeypatch.setattr(pipeline, "_MESSAGE_BYTES", 1)
    flat(embed_files(encoder, files, isolation=DecodingLimits()))
    assert sent == [1] * 36


def test_a_single_pixel(encoder: Encoder, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "navy").save(tmp_path / "dot.png")
    ((found,),) = embed_files(encoder, [tmp_path / "dot.png"])
    assert isinstance(found, Embedded)
    assert (found.width, found.height) == (1, 1)


def test_broken_files_are_skipped_where_they_stand(
    encoder: Encoder, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "cut.jpg").write_bytes(files[0].read_bytes()[:700])
    (tmp_path / "folder.jpg").mkdir()
    broken = [
        tmp_path / name for name in ("empty.jpg", "text.png", "cut.jpg", "folder.jpg", "none.jpg")
    ]
    mixed = [files[0], *broken[:3], files[1], *broken[3:], files[2], Path("a\0b")]
    found = flat(embed_files(encoder, mixed, batch_size=4))
    assert [one.path for one in found] == mixed
    skipped = {one.path.name: one for one in found if isinstance(one, Skipped)}
    assert {name: one.reason.split(":")[0] for name, one in skipped.items()} == {
        "empty.jpg": "the file is empty",
        "text.png": "not a picture",
        "cut.jpg": "truncated JPEG",
        "folder.jpg": "it is a folder",
        "none.jpg": "the file does not exist",
        "a\0b": "it cannot be read",
    }
    assert skipped["text.png"].size == 13
    assert skipped["text.png"].mtime_ns == (tmp_path / "text.png").stat().st_mtime_ns
    assert (skipped["none.jpg"].size, skipped["none.jpg"].mtime_ns) == (0, 0)
    good = [one.vector for one in found if isinstance(one, Embedded)]
    assert np.abs(np.stack(good) - encoder.encode(files[:3])).max() < 1e-6


def test_a_batch_of_broken_files_only(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    batches = list(embed_files(encoder, [tmp_path / "empty.jpg"] * 5, batch_size=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert all(isinstance(one, Skipped) for batch in batches for one in batch)


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), AssertionError("x")])
def test_any_exception_in_a_decoder_skips_the_file(
    encoder: Encoder, files: list[Path], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real, doomed = images.decode_square, files[3].read_bytes()

    def decode_square(data: bytes, size: int) -> images.Picture:
        if data == doomed:
            raise error
        return real(data, size)

    monkeypatch.setattr(images, "decode_square", decode_square)
    found = flat(embed_files(encoder, files[:6]))
    assert [isinstance(one, Skipped) for one in found] == [False] * 3 + [True] + [False] * 2
    reason = found[3].reason  # type: ignore[union-attr]
    assert type(error).__name__ in reason
    assert found[3].size == len(doomed)


def test_no_files(encoder: Encoder) -> None:
    assert list(embed_files(encoder, [])) == []


@pytest.mark.parametrize("setting", ["batch_size", "workers"])
def test_impossible_settings(encoder: Encoder, setting: str) -> None:
    options: dict[str, Any] = {setting: 0}
    with pytest.raises(UsageError, match=f"{setting} is 0"):
        embed_files(encoder, [], **options)  # before the first batch is asked for


def test_look_ahead_is_bounded(
    encoder: Encoder, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    real = pipeline._decode
    monkeypatch.setattr(pipeline, "_decode", lambda p, s, a: (begun.append(p), real(p, s, a))[1])
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield files[asked % len(files)]

    batches = embed_files(encoder, endless(), batch_size=4, workers=2)
    given = 0
    for batch in batches:
        given += len(batch)
        time.sleep(0.005)  # a slow consumer: the decoders could run far ahead
        assert len(begun) <= asked <= given + 2 * 4
        if given >= 200:
            break
    batches.close()  # type: ignore[attr-defined]


class Stub:
    """Stands in for an encoder, with an inference that the test controls."""

    image_size, frame, dimension = 32, Frame(32), 16

    def encode_squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.ones((len(pixels), 16), np.float32)


def test_decoding_goes_on_during_inference(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inferring, decoded_meanwhile = threading.Event(), threading.Event()
    real = pipeline._decode

    def decode(path: Path, size: int, ahead: Any) -> Any:
        if path in files[8:16]:  # of the batch after the one in inference, or later
            assert inferring.wait(10), "inference has to begin first"
            decoded_meanwhile.set()
        return real(path, size, ahead)

    class Waiting(Stub):
        def encode_squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            inferring.set()
            assert decoded_meanwhile.wait(10), "nothing was decoded during inference"
            return super().encode_squares(pixels)

    monkeypatch.setattr(pipeline, "_decode", decode)
    stub: Any = Waiting()
    assert len(flat(embed_files(stub, files, batch_size=8, workers=1))) == 36


@pytest.mark.parametrize("error", [KeyboardInterrupt, ClrSearchError("broken"), SystemExit])
def test_an_exception_in_inference_stops_the_threads(files: list[Path], error: Any) -> None:
    class Failing(Stub):
        def encode_squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise error

    stub: Any = Failing()
    with pytest.raises(error if isinstance(error, type) else type(error)):
        flat(embed_files(stub, files, batch_size=4))
    assert decoders() == []


def test_an_exception_in_the_callers_loop_stops_the_threads(
    encoder: Encoder, files: list[Path]
) -> None:
    def consume() -> None:
        for _ in embed_files(encoder, files * 50, batch_size=4, workers=2):
            raise KeyError

    with pytest.raises(KeyError):
        consume()


def test_an_exception_in_the_files_comes_through(encoder: Encoder, files: list[Path]) -> None:
    def failing() -> Iterator[Path]:
        yield from files
        raise KeyError("disk gone")

    with pytest.raises(KeyError, match="disk gone"):
        flat(embed_files(encoder, failing(), batch_size=4))


def test_closing_drops_what_waits(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def slow(path: Path, size: int, _: object) -> Skipped:
        begun.append(path)
        time.sleep(0.02)
        return Skipped(path, 0, 0, "slow")

    monkeypatch.setattr(pipeline, "_decode", slow)
    batches = embed_files(encoder, [Path(str(n)) for n in range(500)], batch_size=10, workers=2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert decoders() == []
    assert len(begun) < 20


def test_interrupted_from_the_keyboard(tiny_encoder: Path, pictures: Path) -> None:
    code = f"""
import itertools
from pathlib import Path
from clr_search.files.finding.find import find_images
from clr_search.serve import Encoder
from clr_search.serve.pipeline import embed_files
files = [image.path for image in find_images([Path({str(pictures)!r})])]
try:
    for batch in embed_files(Encoder({str(tiny_encoder)!r}), itertools.cycle(files), batch_size=8):
        print(len(batch), flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "8\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert out.endswith("stopped\n")
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(DATA is None, reason="set CLR_SEARCH_DATA to test on real photos")
def test_camera_samples(encoder: Encoder, tiny_encoder: Path) -> None:
    import onnxruntime

    found = flat(embed_files(encoder, [i.path for i in find_images([f"{DATA}/camera_samples"])]))
    assert len(found) == 144
    good = [one for one in found if isinstance(one, Embedded)]
    assert {one.path.parent.name for one in good} == {"photos"}
    assert {one.path.parent.name for one in found if isinstance(one, Skipped)} == {"broken"}
    session = onnxruntime.InferenceSession(tiny_encoder, providers=["CPUExecutionProvider"])
    cosines = []
    for one in good:
        pixels = images.load(one.path).pixels
        assert pixels.shape[:2] == (one.height, one.width)
        plain = session.run([EMBEDDING], {IMAGES: pixels[None]})[0][0]
        if pixels.any():  # a black photo has the zero vector: the tiny network has no biases
            cosines.append(float(plain @ one.vector))
        else:
            assert not plain.any()
            assert not one.vector.any()
    assert len(cosines) == 73
    assert min(cosines) >= 0.999
