"""Dynamic batching: pictures of many requests go through one inference together.

There are as many worker threads as cores. Each takes the pictures in the queue, decodes them, and
runs one inference on one core. On two cores this gives a fourth more answers than one inference on
both, whose threads wait for each other at every operator. Pictures that arrive during an inference
form the next batch. Batches therefore grow with the load, and without load no picture waits, unless
the service is told to wait a few milliseconds for more.

One thread does both decoding and inference, since every hand-over from a thread to the event loop
and on to another thread costs as much time as a small picture.
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
"""A model: it maps a batch of squares, uint8 (N, S, S, 3), to rows, float32 (N, …)."""

Decode = Callable[[], NDArray[np.uint8]]
"""A function that decodes one picture to its square, uint8 (S, S, 3)."""

PATIENCE = 0.02
"""Seconds of decoding after which an inference begins with the pictures decoded so far.

Large photos take long to decode, and must not delay the small ones that were decoded before them.
"""


class _Waiting(NamedTuple):
    """A picture in the queue, with the future that its request awaits."""

    decode: Decode
    infer: Infer
    future: asyncio.Future[NDArray[np.float32]]


_Decoded = tuple[asyncio.Future[NDArray[np.float32]], NDArray[np.uint8]]
_Outcome = tuple[asyncio.Future[NDArray[np.float32]], NDArray[np.float32] | BaseException]


class Batcher:
    """Gathers pictures into batches, and returns to each request its row of the result.

    Parameters
    ----------
    most : int
        Largest number of pictures in one inference, at least 1.
    wait : float
        Seconds for which a batch that is not full waits for more pictures; 0 for no waiting.
    workers : int
        Number of worker threads, each of which runs one inference at a time.
    observe : callable
        A function that is called with the size of every batch, in the worker's thread.
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
        """Start the worker threads; results are delivered to the running event loop."""
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
        """End the threads after their current batches; pictures in the queue are cancelled."""
        abandoned = []
        with suppress(queue.Empty):
            while True:
                abandoned.append(self._queue.get_nowait())
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)  # so that the loop delivers the results of the last batches first
        for waiting in abandoned:
            if waiting is not None:
                waiting.future.cancel()

    async def submit(self, decode: Decode, infer: Infer) -> NDArray[np.float32]:
        """Return the row of one picture, float32, after its batch has been inferred.

        Parameters
        ----------
        decode : callable
            A function that returns the picture's square, uint8 (S, S, 3). It is called in a worker
            thread.
        infer : callable
            The model. It is called in the same thread, once for all pictures of the batch that
            were submitted with the same `infer`.

        Raises
        ------
        Exception
            The exception that `decode` raises for this picture, or `infer` for its batch.
        """
        future: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(decode, infer, future))
        return await future

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer batch after batch, until the queue gives None."""
        while (first := self._queue.get()) is not None:
            outcomes = self._answers(first)
            if outcomes:
                loop.call_soon_threadsafe(_deliver, outcomes)

    def _answers(self, first: _Waiting) -> list[_Outcome]:
        """Decode a batch that begins with `first`, infer it, and return its rows or exceptions."""
        outcomes: list[_Outcome] = []
        # There is one model, unless the encoder of the collection has just been replaced.
        decoded: dict[Infer, list[_Decoded]] = {}
        taken = 0
        began, waiting = time.monotonic(), first
        while True:
            if not waiting.future.done():  # It is done where the client has disconnected.
                try:
                    square = waiting.decode()
                except Exception as error:  # noqa: BLE001  # The awaiting request raises it.
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
        """Run one inference, and pair each future with its row, or all with the exception."""
        futures, squares = zip(*pictures, strict=True)
        self._observe(len(squares))
        try:
            rows: Sequence[NDArray[np.float32] | BaseException] = list(infer(np.stack(squares)))
        except Exception as error:  # noqa: BLE001
            rows = [error] * len(squares)
        return zip(futures, rows, strict=True)

    def _following(self, began: float, taken: int) -> _Waiting | None:
        """Return the next picture of the same batch, or None where the batch is to be inferred.

        Without a waiting time, a worker takes only half of its share of the queue. The other half
        is then ready when the answers go out, and no worker idles until clients send new requests.
        """
        passed = time.monotonic() - began
        share = (taken + self._queue.qsize()) / (2 * self._workers)
        enough = self._most if self._wait > 0 else min(self._most, math.ceil(share))
        if taken >= enough or passed > max(PATIENCE, self._wait):
            return None
        try:
            remaining = self._wait - passed
            waiting = (
                self._queue.get(timeout=remaining) if remaining > 0 else self._queue.get_nowait()
            )
        except queue.Empty:
            return None
        if waiting is None:
            self._queue.put(None)  # The worker sees the signal to stop again after this batch.
        return waiting


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    """Complete the futures, in the thread of the event loop."""
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
