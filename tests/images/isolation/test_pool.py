"""Worker processes decode as this process does, and outlive whatever a file does to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bench.costly import saved
from bench.fuzz.damage import corpus
from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.images.isolation import DecodingLimits, DecodingWorkers, LargePictureError, process
from tests.images.isolation.hostile import do, obedient

GOOD = saved("JPEG", (40, 30))
SIDE = 16
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[DecodingWorkers]:
    """One worker that does what files say."""
    obedient(monkeypatch)
    with DecodingWorkers(1, DecodingLimits(seconds=20)) as made:
        yield made


def reason(workers: DecodingWorkers, data: bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(ImageError) as caught:
        workers.decode_square(data, SIDE)
    return caught.value.what


def test_honest_pictures_of_every_format_are_bit_for_bit_the_same() -> None:
    files = corpus()
    with DecodingWorkers(2) as workers:
        for data in files:
            for at_least in (None, 16):
                here, apart = (
                    images.decode(data, at_least=at_least),
                    workers.decode(data, at_least=at_least),
                )
                assert np.array_equal(here.pixels, apart.pixels)
                assert here[1:] == apart[1:]
                assert apart.pixels.flags.writeable
        squares = workers.decode_squares(files, 24)
    for data, square in zip(files, squares, strict=True):
        expected = images.decode_square(data, 24)
        assert isinstance(square, images.Picture)
        assert np.array_equal(square.pixels, expected.pixels)
        assert square[1:] == expected[1:]


def test_a_refusal_has_the_same_reason() -> None:
    broken = [b"", b"%PDF-", bytes(100), GOOD[:300], saved("PNG")[:40], saved("GIF")[:8]]
    with DecodingWorkers(1) as workers:
        answers = workers.decode_squares(broken, SIDE)
        for data, answer in zip(broken, answers, strict=True):
            with pytest.raises(ImageError) as here:
                images.decode_square(data, SIDE)
            assert isinstance(answer, ImageError)
            assert answer.what == here.value.what
        with pytest.raises(ImageError, match="more than the limit of 100"):
            workers.decode(GOOD, max_pixels=100)


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("loop", "longer than a picture of its size may"),
        pytest.param("grow", "more memory than a picture of its size may", marks=linux),
        ("crash", "died (SIGSEGV)"),
        ("exit", "died (exit code 3)"),
        ("wrong-size", "nonsense"),
        ("wrong-whole", "nonsense"),
        ("wrong-length", "nonsense"),
        ("wrong-note", "nonsense"),
        ("nothing", "nonsense"),
    ],
)
def test_a_file_that_harms_its_worker_is_refused_and_the_others_are_decoded(
    workers: DecodingWorkers, deed: str, said: str
) -> None:
    files = [GOOD, saved("PNG", (9, 7)), do(deed), saved("GIF", (5, 6)), GOOD]
    before = time.monotonic()
    answers = workers.decode_squares(files, SIDE)
    assert time.monotonic() - before < 15
    refused = answers.pop(2)
    assert isinstance(refused, ImageError)
    assert said in refused.what
    expected = [images.decode_square(data, SIDE) for data in files if not data.startswith(b"do:")]
    for picture, wanted in zip(answers, expected, strict=True):
        assert isinstance(picture, images.Picture)
        assert picture[1:] == wanted[1:]
        assert np.array_equal(picture.pixels, wanted.pixels)


def test_a_shared_file_that_is_cut_is_noticed(workers: DecodingWorkers) -> None:
    assert "nonsense (it has fewer pixels than it says)" in reason(workers, do("truncate"))


def test_a_worker_that_sleeps_is_killed_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    obedient(monkeypatch)
    with DecodingWorkers(1, DecodingLimits(seconds=1)) as workers:
        assert "did not end within 1 seconds" in reason(workers, do("sleep"))
        assert workers.decode_square(GOOD, SIDE).width == 40


def test_the_loop_of_a_small_file_ends_soon(workers: DecodingWorkers) -> None:
    workers.decode_square(GOOD, SIDE)
    before = sum(os.times()[2:4])
    reason(workers, do("loop"))
    assert sum(os.times()[2:4]) - before < 10  # seconds of the processor, start included


@linux
def test_what_a_picture_may_take_it_gets(workers: DecodingWorkers) -> None:
    assert reason(workers, do("just-enough")) == "30 MB are granted"


@linux
def test_a_worker_that_has_grown_is_replaced(workers: DecodingWorkers) -> None:
    workers.decode_square(GOOD, SIDE)
    (first,) = workers._all
    assert reason(workers, do("keep")) == "kept"
    assert workers.decode_square(GOOD, SIDE).width == 40
    assert first not in workers._all


def test_a_worker_that_is_killed_between_pictures_is_replaced(workers: DecodingWorkers) -> None:
    workers.decode_square(GOOD, SIDE)
    (first,) = workers._all
    os.kill(first.pid, signal.SIGKILL)
    assert workers.decode_square(GOOD, SIDE).width == 40
    assert first not in workers._all
    assert len(workers._all) == 1


def test_hostile_pictures_hold_no_worker_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    obedient(monkeypatch)
    with DecodingWorkers(2) as workers, ThreadPoolExecutor(8) as threads:
        hostile = [threads.submit(reason, workers, do("loop")) for _ in range(4)]
        honest = [threads.submit(workers.decode_square, GOOD, SIDE) for _ in range(20)]
        assert [future.result(60).width for future in honest] == [40] * 20
        assert {future.result(60) for future in hostile} == {
            "decoding it takes longer than a picture of its size may"
        }


def test_large_pictures_are_decoded_one_at_a_time() -> None:
    large = saved("PNG", (6000, 6000), "L")
    with DecodingWorkers(2) as workers, ThreadPoolExecutor(2) as threads:
        with pytest.raises(LargePictureError):
            workers.decode_square(large, SIDE, put_off=35_000_000)
        assert workers.decode_square(GOOD, SIDE, put_off=1200).width == 40
        with workers._large:
            waits = threads.submit(workers.decode_square, large, SIDE)
            assert workers.decode_square(GOOD, SIDE).width == 40
            assert not waits.done()
        assert waits.result(60).width == 6000
        assert [one[1] for one in workers.decode_squares([GOOD, large], SIDE)] == [40, 6000]


def test_a_worker_loads_nothing_heavy(workers: DecodingWorkers) -> None:
    assert reason(workers, do("modules")) == "heavy: []"


@linux
def test_a_worker_has_one_thread(workers: DecodingWorkers) -> None:
    assert reason(workers, do("threads")) == "threads: 1"


def test_a_reason_is_short_and_has_no_escapes(workers: DecodingWorkers) -> None:
    assert reason(workers, do("escape")) == "�[31mred�"
    assert len(reason(workers, do("long"))) <= 1000


def test_notes_come_with_the_picture(workers: DecodingWorkers) -> None:
    notes = workers.decode_square(do("noted"), SIDE).notes
    assert [(note.kind, note.what) for note in notes] == [
        ("loss", "3 rows missing"),
        ("bands", "band �4 is not shown"),
    ]
    cut = GOOD[:-2]
    assert workers.decode(cut).notes == images.decode(cut).notes != ()


def test_no_process_and_no_file_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    obedient(monkeypatch)
    with DecodingWorkers(1) as workers:
        workers.decode_square(GOOD, SIDE)
    before = _held()
    with DecodingWorkers(2) as workers:
        workers.start(2)
        for deed in ("crash", "exit", "wrong-size", "loop"):
            reason(workers, do(deed))
        pids = [worker.pid for worker in workers._all]
    assert _held() == before
    assert not any(map(_alive, pids))
    with pytest.raises(ClrSearchError, match="have been ended"):
        workers.decode_square(GOOD, SIDE)


def _held() -> tuple[int, int, list[str]]:
    """Open files and threads of this process, and shared memory with a name."""
    files = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    shared = Path("/dev/shm")
    return files, threading.active_count(), sorted(map(str, shared.glob("*clr*")))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_closing_ends_workers_that_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    obedient(monkeypatch)
    workers = DecodingWorkers(1)
    workers.decode_square(GOOD, SIDE)
    with ThreadPoolExecutor(1) as threads:
        sleeping = threads.submit(workers.decode_square, do("sleep"), SIDE)
        time.sleep(0.3)
        workers.close()
        with pytest.raises(ClrSearchError):
            sleeping.result(10)
    assert not workers._all


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_when_their_parent_is_killed(busy: bool) -> None:
    program = f"""
import sys, threading, time
from bench.costly import saved
from clr_search.images.isolation import DecodingWorkers
workers = DecodingWorkers(1)
workers.decode_square(saved("JPEG"), 8)
print(*[worker.pid for worker in workers._all], flush=True)
while True:
    workers.decode_square(saved("JPEG", (300, 300)), 8) if {busy} else time.sleep(1)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        (pid,) = map(int, parent.stdout.readline().split())
        parent.kill()
    for _ in range(200):
        if not _alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker has outlived its parent")


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PROGRAM", "raise ValueError('no decoders here')")
    with (
        DecodingWorkers(1) as workers,
        pytest.raises(ClrSearchError, match=r"exit code 1\): ValueError: no decoders here"),
    ):
        workers.decode_square(GOOD, SIDE)


def test_wrong_use_is_refused() -> None:
    with pytest.raises(UsageError, match="number of decoding workers is 0"):
        DecodingWorkers(0)
    with DecodingWorkers(1) as workers, pytest.raises(UsageError, match="at_least is 0"):
        workers.decode(GOOD, at_least=0)
