"""Pictures of many requests in one inference.

As many inferences run at a time as there are cores, each on one: on two cores that gives a fourth
more answers than one inference on both, whose threads wait for each other at every operator. What
arrives meanwhile waits, and goes into the next one together: the batches grow with the load, and
nothing waits where there is none, unless a few milliseconds are given in which more may come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [N, S, S, 3] → float32 [N, …]."""

_Waiting = tuple[NDArray[np.uint8], "asyncio.Future[NDArray[np.float32]]"]


class Batcher:
    """Gathers squares, and gives each its row of the result.

    Parameters
    ----------
    infer : callable
        Called in threads of its own, in so many at a time as there are workers.
    most : int
        Squares in one call.
    wait : float
        Seconds to wait for more, where there are fewer.
    workers : int
        Calls at a time.
    observe : callable
        Is told the size of every batch.
    """

    def __init__(
        self,
        infer: Infer,
        most: int,
        wait: float,
        workers: int = 1,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._infer, self._most, self._wait, self._observe = infer, most, wait, observe
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._workers = workers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the running loop."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """End; what still waits is cancelled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait()[1].cancel()
        self._pool.shutdown(wait=True)

    async def submit(self, square: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The row of one square, uint8 [S, S, 3].

        Raises
        ------
        Exception
            What `infer` raises for the batch it was in.
        """
        future: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((square, future))
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gather()
            self._observe(len(batch))
            squares = np.stack([square for square, _ in batch])
            try:
                rows = await loop.run_in_executor(self._pool, self._infer, squares)
            except asyncio.CancelledError:
                for _, future in batch:
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001  # those who wait are told
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), row in zip(batch, rows, strict=True):
                if not future.done():  # its client may have gone
                    future.set_result(row)

    async def _gather(self) -> list[_Waiting]:
        """At least one square that somebody still waits for, and what is there beside it."""
        batch: list[_Waiting] = []
        while not batch:
            self._take(batch, await self._queue.get())
        while len(batch) < self._most and not self._queue.empty():
            self._take(batch, self._queue.get_nowait())
        if len(batch) < self._most and self._wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait):
                    while len(batch) < self._most:
                        self._take(batch, await self._queue.get())
        return batch

    @staticmethod
    def _take(batch: list[_Waiting], waiting: _Waiting) -> None:
        if not waiting[1].done():
            batch.append(waiting)
