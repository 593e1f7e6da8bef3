"""Pictures of many requests in one inference.

As many threads as there are cores each take what waits, decode it, and put it through one inference
on one core: on two cores that gives a fourth more answers than one inference on both, whose threads
wait for each other at every operator. What arrives meanwhile waits, and is taken together next: the
batches grow with the load, and nothing waits where there is none, unless a few milliseconds are
given in which more may come.

Decoding and inference are one piece of work of one thread, since every hand-over from a thread to
the event loop and on to another costs as much as a small picture.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [N, S, S, 3] → float32 [N, …]."""

Decode = Callable[[], NDArray[np.uint8]]
"""→ uint8 [S, S, 3]."""

PATIENCE = 0.02
"""Seconds of decoding after which an inference begins with what there is: large photos, which take
longer each, must not make those decoded before them wait."""


class _Waiting(NamedTuple):
    """A picture that somebody waits for."""

    decode: Decode
    infer: Infer
    future: asyncio.Future[NDArray[np.float32]]


_Decoded = tuple[asyncio.Future[NDArray[np.float32]], NDArray[np.uint8]]
_Outcome = tuple[asyncio.Future[NDArray[np.float32]], NDArray[np.float32] | BaseException]


class Batcher:
    """Gathers pictures, and gives each its row of the result.

    Parameters
    ----------
    most : int
        Pictures in one call.
    wait : float
        Seconds to wait for more, where there are fewer.
    workers : int
        Threads, and so inferences at a time.
    observe : callable
        Is told the size of every batch, in the thread.
    """

    def __init__(
        self,
        most: int,
        wait: float,
        workers: int = 1,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._most, self._wait, self._observe = most, wait, observe
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._workers = workers
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; answers go to the running loop."""
        loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(
                target=self._work, args=(loop,), name=f"inference-{number}", daemon=True
            )
            for number in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """End; what still waits is cancelled."""
        waiting = []
        with suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)  # for the answers they have left in the loop
        for one in waiting:
            if one is not None:
                one.future.cancel()

    async def submit(self, decode: Decode, infer: Infer) -> NDArray[np.float32]:
        """The row of one picture.

        Parameters
        ----------
        decode : callable
            Gives its square, uint8 [S, S, 3]; called in a worker's thread.
        infer : callable
            Called in the same thread, for this picture and those taken with it that have the same.

        Raises
        ------
        Exception
            What `decode` raises, or `infer` for the batch it was in.
        """
        future: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(decode, infer, future))
        return await future

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (first := self._queue.get()) is not None:
            outcomes = self._answers(first)
            if outcomes:
                loop.call_soon_threadsafe(_deliver, outcomes)

    def _answers(self, first: _Waiting) -> list[_Outcome]:
        """Of a picture and of those that are taken with it."""
        outcomes: list[_Outcome] = []
        decoded: dict[Infer, list[_Decoded]] = {}  # one, unless an encoder has just been changed
        taken = 0
        began, waiting = time.monotonic(), first
        while True:
            if not waiting.future.done():  # its client may have gone
                try:
                    square = waiting.decode()
                except Exception as error:  # noqa: BLE001  # who waits is told
                    outcomes.append((waiting.future, error))
                else:
                    decoded.setdefault(waiting.infer, []).append((waiting.future, square))
                    taken += 1
            following = self._following(began, taken)
            if following is None:
                break
            waiting = following
        for infer, pictures in decoded.items():
            outcomes += self._inferred(infer, pictures)
        return outcomes

    def _inferred(self, infer: Infer, pictures: Sequence[_Decoded]) -> Iterator[_Outcome]:
        futures, squares = zip(*pictures, strict=True)
        self._observe(len(squares))
        try:
            rows: Sequence[NDArray[np.float32] | BaseException] = list(infer(np.stack(squares)))
        except Exception as error:  # noqa: BLE001
            rows = [error] * len(squares)
        return zip(futures, rows, strict=True)

    def _following(self, began: float, taken: int) -> _Waiting | None:
        """The next picture of the same batch, if there is one in time.

        Half a worker's share is enough where nothing is to be waited for: the other half is then
        at hand when the answers go out, and no worker idles until clients have sent anew.
        """
        passed = time.monotonic() - began
        share = (taken + self._queue.qsize()) / (2 * self._workers)
        enough = self._most if self._wait > 0 else min(self._most, math.ceil(share))
        if taken >= enough or passed > max(PATIENCE, self._wait):
            return None
        try:
            left = self._wait - passed
            waiting = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        if waiting is None:
            self._queue.put(None)  # the word to stop: after this batch
        return waiting


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
