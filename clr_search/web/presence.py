"""Whether files and collections are there, found out without letting a request wait for a drive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clr_search.index import Item, Matches

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

EVERY = 1.0
"""Seconds between two looks at whether a collection can be read."""

OLD = 5.0
"""Seconds after which what a look has found does not count: a drive in a network may be gone."""

_PATIENCE = 0.5
"""Seconds that an answer waits for it; a thousand files of a disk take a hundredth of that."""


class Presence:
    """Looks for files in a thread of its own, which only it can block.

    A drive in a network may not answer for minutes. What is asked meanwhile is then not known,
    and everything else of the service goes on.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="presence")

    async def marked(self, matches: Matches) -> Matches:
        """Return the matches with `missing` told; as they are where that takes too long."""
        return await self._soon(matches.with_missing, matches)

    async def is_missing(self, item: Item) -> bool | None:
        """Return whether the file of an item is certainly not there; None where it takes long."""
        return await self._soon(item.is_missing, None)

    async def _soon(self, work: Callable[[], _Result], otherwise: _Result) -> _Result:
        """Return the result of a function; `otherwise`, if it is not there soon."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.wait_for(running, _PATIENCE)
        except TimeoutError:
            return otherwise

    def close(self) -> None:
        """End the thread, without waiting for a drive that does not answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Readiness:
    """Looks every second whether a collection can be read, so that an answer needs no look.

    A look is made in a thread, and waits there for the interpreter several times: for a tenth of a
    second, beside clients that keep the service busy.

    Parameters
    ----------
    look : callable
        Returns whether the collection can be read; an exception counts as no.
    """

    def __init__(self, look: Callable[[], Awaitable[bool]]) -> None:
        self._look = look
        self._found, self._at = False, 0.0
        self._known = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on; needs a running event loop."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        """Look again and again."""
        while True:
            try:
                self._found = await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, look again
                if self._found or not self._known.is_set():
                    logger.warning("The collection cannot be read: %s", error)
                self._found = False
            self._at = time.monotonic()
            self._known.set()
            await asyncio.sleep(EVERY)

    async def ready(self) -> bool:
        """Return what the last look has found; False if it is old, or the first one takes long."""
        if not self._known.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._known.wait(), OLD)
        return self._found and time.monotonic() - self._at < EVERY + OLD

    async def stop(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
