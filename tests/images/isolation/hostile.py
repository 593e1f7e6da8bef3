"""A worker that obeys some files: what decoders with holes would do, without the holes.

`obedient` lets workers run this module's `main` instead of `isolation.worker.main`. It decodes
pictures as usual, and does what a file says that begins with ``do:``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ImageError
from clr_search.images.isolation import messages, process, worker
from clr_search.images.picture import Note, Picture

HEAVY = {"torch", "faiss", "gradio", "onnxruntime", "onnx", "fastapi"}


def do(deed: str) -> bytes:
    """A file that makes the worker do something."""
    return b"do:" + deed.encode()


def obedient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers that are started from now on do what files say."""
    ours = "from clr_search.images.isolation.worker import main"
    theirs = "from tests.images.isolation.hostile import main"
    assert ours in process._PROGRAM
    monkeypatch.setattr(process, "_PROGRAM", process._PROGRAM.replace(ours, theirs))


def main() -> None:
    """As `isolation.worker.main`."""
    decoded = worker._decoded

    def deed(host: worker._Host) -> Picture:
        data = host.request.data
        return DEEDS[data[3:].decode()](host) if data.startswith(b"do:") else decoded(host)

    worker._decoded = deed
    worker.main()


def _loop(host: worker._Host) -> Picture:
    while True:
        pass


def _sleep(host: worker._Host) -> Picture:
    time.sleep(60)
    raise AssertionError("nobody has stopped this")


def _sleep_large(host: worker._Host) -> Picture:
    with host.turn(2**23):
        return _sleep(host)


def _grow(host: worker._Host) -> Picture:
    kept = []
    while True:
        kept.append(np.ones(2**20, np.uint8))


def _just_enough(host: worker._Host) -> Picture:
    np.ones(30_000_000, np.uint8)
    raise ImageError("30 MB are granted")


def _keep(host: worker._Host) -> Picture:
    host.expect(20_000_000, 20_000_000)
    vars(worker).setdefault("kept", []).append(np.ones(500_000_000, np.uint8))
    raise ImageError("kept")


def _crash(host: worker._Host) -> Picture:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)
    raise AssertionError("a signal was ignored")


def _exit(host: worker._Host) -> Picture:
    os._exit(3)


def _modules(host: worker._Host) -> Picture:
    raise ImageError(f"heavy: {sorted(HEAVY & sys.modules.keys())}")


def _threads(host: worker._Host) -> Picture:
    raise ImageError(f"threads: {len(list(Path('/proc/self/task').iterdir()))}")


def _escape(host: worker._Host) -> Picture:
    raise ImageError("\x1b[31mred\x07")


def _long(host: worker._Host) -> Picture:
    raise ImageError("é" * 5000)


def _wrong_size(host: worker._Host) -> Picture:
    return Picture(np.zeros((3, 3, 3), np.uint8), 3, 3)


def _wrong_whole(host: worker._Host) -> Picture:
    size = host.request.size
    return Picture(np.zeros((size, size, 3), np.uint8), 2**31, 2**31)


def _wrong_length(host: worker._Host) -> Picture:
    size = host.request.size
    return Picture(np.zeros((size, size, 4), np.uint8), size, size)


def _noted(host: worker._Host) -> Picture:
    size = host.request.size
    notes = (Note("loss", "3 rows missing"), Note("bands", "band \x1b4 is not shown"))
    return Picture(np.zeros((size, size, 3), np.uint8), size, size, notes)


def _wrong_note(host: worker._Host) -> Picture:
    notes = (Note("nonsense", "of no kind"),)  # type: ignore[arg-type]
    return _noted(host)._replace(notes=notes)


def _nothing(host: worker._Host) -> Picture:
    os.write(1, messages.TURN)
    time.sleep(60)
    raise AssertionError("nobody has stopped this")


def _truncate(host: worker._Host) -> Picture:
    size = host.request.size

    def short(shared: messages.SharedFile, number: int, row: messages.Row) -> None:
        set_row(shared, number, row)
        if row.state == messages.DONE:
            os.ftruncate(shared.descriptor, messages.PAYLOAD)

    set_row = messages.SharedFile.set_row
    messages.SharedFile.set_row = short  # type: ignore[method-assign]
    return Picture(np.zeros((size, size, 3), np.uint8), size, size)


DEEDS: dict[str, Callable[[worker._Host], Picture]] = {
    "loop": _loop,
    "sleep": _sleep,
    "sleep-large": _sleep_large,
    "grow": _grow,
    "just-enough": _just_enough,
    "keep": _keep,
    "crash": _crash,
    "exit": _exit,
    "modules": _modules,
    "threads": _threads,
    "escape": _escape,
    "long": _long,
    "wrong-size": _wrong_size,
    "wrong-whole": _wrong_whole,
    "wrong-length": _wrong_length,
    "noted": _noted,
    "wrong-note": _wrong_note,
    "nothing": _nothing,
    "truncate": _truncate,
}
