"""Whether the files of answers are there, found out without letting a request wait for a drive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clr_search.index import Item, Matches

_Result = TypeVar("_Result")

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
