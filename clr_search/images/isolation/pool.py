"""`DecodingWorkers`: pictures of strangers decoded in processes of their own, within limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.images.decoding import read
from clr_search.images.isolation.limits import DecodingLimits
from clr_search.images.isolation.messages import MOST, LargePictureError, Outcome, Request
from clr_search.images.isolation.process import WorkerProcess
from clr_search.images.limits import LARGE_PIXELS, pixel_limit
from clr_search.images.picture import Picture

_LOOK = 0.2
"""Seconds between two looks at workers that may be late."""

_TRIES = 3
"""Workers that may die one after the other before they have begun with a picture."""


class DecodingWorkers:
    """Processes that decode pictures as `images.decode` does, within limits; for many threads.

    What a file costs is limited by its pixels (`DecodingLimits`). A worker that dies, or goes
    beyond a limit and is killed, is replaced; the picture that it worked on is refused, and the
    others go on. Workers are started when they are needed. They end with `close`, and when this
    process ends, however it does.

    Parameters
    ----------
    count : int
        Largest number of workers; as many pictures are decoded at a time.
    limits : DecodingLimits
        The most that a picture may take.

    Raises
    ------
    UsageError
        If `count` is below 1.

    Examples
    --------
    Decode an upload::

        with DecodingWorkers(2) as workers:
            square = workers.decode_square(data, 224)
    """

    def __init__(self, count: int, limits: DecodingLimits | None = None) -> None:
        if count < 1:
            raise UsageError(f"The number of decoding workers is {count}; it must be 1 or more.")
        self.limits = limits or DecodingLimits()
        self._free = threading.BoundedSemaphore(count)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._large = threading.Lock()
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> DecodingWorkers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def decode(
        self,
        data: bytes,
        *,
        at_least: int | None = None,
        max_pixels: int | None = None,
        put_off: int = 0,
    ) -> Picture:
        """Decode a picture file as `images.decode` does.

        Parameters
        ----------
        data, at_least, max_pixels
            As `images.decode` takes them.
        put_off : int
            Raise `LargePictureError`, before decoding, if a decoder holds more pixels at once; 0
            for none. Pictures of more than `images.LARGE_PIXELS` wait for each other then.

        Raises
        ------
        ImageError
            As `images.decode`, and where the file costs more than its pixels may, or kills its
            worker.
        ClrSearchError
            If no worker can be started.
        """
        if at_least is not None and at_least < 1:
            raise UsageError(f"at_least is {at_least}; it must be 1 or more.")
        return self._one(Request(data, False, at_least or 0, pixel_limit(max_pixels), put_off))

    def load(self, path: Path, *, at_least: int | None = None) -> Picture:
        """Read a file in this process and decode it as `images.load` does; see `decode`."""
        return self.decode(read(path)[0], at_least=at_least)

    def decode_square(
        self, data: bytes, size: int, *, max_pixels: int | None = None, put_off: int = 0
    ) -> Picture:
        """Decode a picture file to its central square as `images.decode_square` does.

        Parameters
        ----------
        data, size, max_pixels
            As `images.decode_square` takes them.
        put_off : int
            As of `decode`.

        Raises
        ------
        ImageError, ClrSearchError
            As `decode`.
        """
        return self._one(Request(data, True, size, pixel_limit(max_pixels), put_off))

    def decode_squares(
        self, files: Sequence[bytes], size: int, *, max_pixels: int | None = None
    ) -> list[Picture | ImageError]:
        """Decode many files, in order, with less to and fro than `decode_square` one by one.

        Returns
        -------
        list of Picture or ImageError
            What `decode_square` returns or raises for each file.

        Raises
        ------
        ClrSearchError
            If no worker can be started.
        """
        most = pixel_limit(max_pixels)
        return self._in_turn([Request(data, True, size, most) for data in files])

    def start(self, count: int) -> None:
        """Start workers that are idle, without waiting, so that the first pictures need not."""
        for _ in range(count):
            self._add()

    def close(self) -> None:
        """End all workers, also those that are decoding; whoever waits for one gets an error."""
        self._closed.set()
        with self._lock:
            workers, idle = list(self._all), self._idle
            self._idle = []
        for worker in workers:
            worker.kill()
        for worker in idle:
            self._drop(worker)
        if self._watch is not None:
            self._watch.join()

    def _one(self, request: Request) -> Picture:
        """Return one picture, or raise why there is none."""
        (outcome,) = self._outcomes([request]) if request.put_off else self._in_turn([request])
        if isinstance(outcome, ImageError):
            raise outcome
        return outcome

    def _in_turn(self, requests: Sequence[Request]) -> list[Picture | ImageError]:
        """Return what becomes of pictures, of which large ones are decoded one at a time."""
        outcomes = self._outcomes([replace(one, put_off=LARGE_PIXELS) for one in requests])
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, LargePictureError):
                with self._large:
                    (outcomes[number],) = self._outcomes([requests[number]])
        return outcomes

    def _outcomes(self, requests: Sequence[Request]) -> list[Picture | ImageError]:
        """Ask one worker after the other until every picture is decoded or refused."""
        found: list[Outcome] = [None] * len(requests)
        tries = 0
        while waiting := [number for number, outcome in enumerate(found) if outcome is None]:
            some = waiting[:MOST]
            with self._lent() as worker:
                answers = worker.ask([requests[number] for number in some])
            for number, answer in zip(some, answers, strict=True):
                found[number] = answer
            tries = 0 if any(answers) else tries + 1
            if tries == _TRIES:
                raise ClrSearchError("The processes that decode pictures die one after the other.")
        return [outcome for outcome in found if outcome is not None]

    @contextmanager
    def _lent(self) -> Iterator[WorkerProcess]:
        """Lend a worker, of which there are no more than `count`; a broken one is replaced."""
        with self._free:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            worker = worker or self._new()
            fit = False
            try:
                yield worker
                fit = worker.alive
            finally:
                if fit and not self._closed.is_set():
                    with self._lock:
                        self._idle.append(worker)
                else:
                    self._drop(worker)
        if not fit and not self._closed.is_set():
            self._add()

    def _new(self) -> WorkerProcess:
        """Start a worker, and the thread that watches the clock."""
        with self._lock:
            if self._closed.is_set():
                raise ClrSearchError("The processes that decode pictures have been ended.")
            worker = WorkerProcess(self.limits)
            self._all.add(worker)
            if self._watch is None:
                self._watch = threading.Thread(
                    target=self._look, name="decoding-watchdog", daemon=True
                )
                self._watch.start()
        return worker

    def _add(self) -> None:
        """Start a worker that is idle at first."""
        worker = self._new()
        with self._lock:
            self._idle.append(worker)

    def _drop(self, worker: WorkerProcess) -> None:
        """End a worker."""
        with self._lock:
            self._all.discard(worker)
        worker.end()

    def _look(self) -> None:
        """Kill workers that are late, until the end."""
        while not self._closed.wait(_LOOK):
            now = time.monotonic()
            with self._lock:
                workers = list(self._all)
            for worker in workers:
                worker.kill_if_late(now)
