"""The engine of the service: it embeds, searches and classifies for all requests.

Pictures of different requests are decoded and embedded in batches by worker threads, and one thread
queries the index. What decodes pictures are processes with limits (`images.isolation`), for which
these threads wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.write import sha256_bytes
from clr_search.images.isolation import DecodingWorkers, LargePictureError
from clr_search.index.search.query import Embedded
from clr_search.index.search.resolve import MissingItemError, OtherEncoderError
from clr_search.server.batching import Batcher, Infer
from clr_search.server.counters import Counters
from clr_search.server.messages.bodies import from_texts
from clr_search.server.messages.long_texts import LongTexts
from clr_search.server.messages.refusals import PICTURES, unusable
from clr_search.server.messages.schemas import SearchIn
from clr_search.server.settings import Limits
from clr_search.web.presence import Presence, Readiness
from clr_search.web.problems import Problem, busy
from clr_search.web.thumbnails import Thumbnails, small_jpeg

if TYPE_CHECKING:
    from clr_search.index import Index, Matches
    from clr_search.index.catalog.records import Item
    from clr_search.serve.encoder import Encoder
    from clr_search.serve.probe import Probe, Verdict

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_QUICK_PIXELS = 2**22
"""Pictures whose decoders hold more pixels are decoded aside, so that others need not wait.

A JPEG that is decoded at a reduced size, as photos of phones are, counts with its reduced size.
"""

_FRESH = 1.0  # Seconds between two checks whether a rebuild has replaced the encoder.


class Engine:
    """Embeds, searches and classifies for many requests at a time.

    Parameters
    ----------
    index : Index
        The collection.
    probe : Probe or None
        A classifier, or None where the service does not classify.
    limits : Limits
        Bounds of a single request, and of all requests together.
    counters : Counters
        The metrics of the service.
    """

    def __init__(
        self,
        index: Index,
        probe: Probe | None,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self.index, self.probe, self.limits, self.counters = index, probe, limits, counters
        # What takes no time has an index of its own, so that it never waits for a search.
        self._beside = index.again()
        self._encoder = self._beside.encoder.with_threads(1)
        self._checked = time.monotonic()  # when the encoder was last compared with the index's
        self._pending = 0
        self._aside = ThreadPoolExecutor(usable_cores(), thread_name_prefix="aside")
        # An index answers one call at a time, and uses all cores for it.
        self._searching = ThreadPoolExecutor(1, thread_name_prefix="search")
        self._looking_up = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        # A parser holds the interpreter until it is done, so that many would hold it for long.
        self._parsing = ThreadPoolExecutor(1, thread_name_prefix="parse")
        batch, wait, observe = limits.batch, limits.batch_wait, counters.batches.observe
        self._embedding = Batcher(batch, wait, usable_cores(), observe)
        self._classifying = Batcher(batch, wait, 1, observe)
        self._large = ThreadPoolExecutor(usable_cores(), thread_name_prefix="large")
        # As many as there are threads that embed, that classify, and for large pictures.
        self._workers = DecodingWorkers(2 * usable_cores() + 1, limits.decoding)
        self._thumbnails = Thumbnails(small_jpeg, self._workers.load)
        self.presence = Presence()
        self.readiness = Readiness(lambda: self.look_up(_is_ready))

    def start(self) -> None:
        """Start the worker threads; results are delivered to the running event loop."""
        self._embedding.start()
        self._classifying.start()
        self._workers.start(usable_cores())
        self.readiness.start()

    async def stop(self) -> None:
        """End the threads after the work in progress."""
        await self.readiness.stop()
        await self._embedding.stop()
        await self._classifying.stop()
        pools = (self._aside, self._searching, self._looking_up, self._parsing, self._large)
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=pool is self._large)
        self._beside.close()
        self._workers.close()
        self.presence.close()

    # -- embedding

    def _predict(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return class probabilities, float32 (N, C), with the novelty as one more column."""
        assert self.probe is not None
        rows, novelty = self.probe.examine(squares)
        return rows if novelty is None else np.column_stack([rows, novelty])

    async def encoder(self) -> Encoder:
        """Return the encoder of the collection, which a rebuild may have replaced.

        It runs on one core, since each worker thread runs an inference of its own.

        Raises
        ------
        Problem
            If the encoder cannot be read now (503).
        """
        if time.monotonic() - self._checked > _FRESH:
            await self.look_up(lambda _: self._renew())
            self._checked = time.monotonic()
        return self._encoder

    def _renew(self) -> None:
        """Load the encoder of the index if it is a new one."""
        current = self._current()
        if current.sha256 != self._encoder.sha256:
            self._encoder = current.with_threads(1)

    def _current(self) -> Encoder:
        """Return the encoder of the index, or raise a `Problem` that asks to try again."""
        try:
            return self._beside.encoder
        except (ClrSearchError, OSError) as error:  # A rebuild renames its file at the end.
            logger.warning("The encoder of %s cannot be read: %s", self.index.path, error)
            raise busy("The encoder of the collection cannot be read now.") from error

    async def embed(
        self, files: Sequence[bytes], crop: images.Crop | None = None
    ) -> tuple[NDArray[np.float32], Encoder]:
        """Return the unit vectors of picture files and the encoder that made them.

        Parameters
        ----------
        files : sequence of bytes
            Contents of N picture files, at least one.
        crop : Crop, optional
            The part of the first picture to embed instead of its central square.

        Returns
        -------
        float32 array (N, D), Encoder

        Raises
        ------
        Problem
            If a file is not a picture (422), or too many pictures are waiting (503).
        """
        encoder = await self.encoder()
        frame, infer = encoder.frame, encoder.encode_squares
        return await self._through(self._embedding, infer, files, frame, crop), encoder

    async def classify(self, files: Sequence[bytes]) -> list[Verdict]:
        """Return the verdict of the classifier on each picture file, in order.

        Raises
        ------
        Problem
            If there is no classifier (404), a file is not a picture (422), or too many pictures
            are waiting (503).
        """
        if self.probe is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "The service has no classifier.",
                "Start it with: clr-search serve COLLECTION --probe probe.onnx",
            )
        rows = await self._through(self._classifying, self._predict, files, self.probe.card.frame)
        if self.probe.tells_unknown:
            return self.probe.verdicts(rows[:, :-1], rows[:, -1])
        return self.probe.verdicts(rows, None)

    async def _through(
        self,
        batcher: Batcher,
        infer: Infer,
        files: Sequence[bytes],
        frame: images.Frame,
        crop: images.Crop | None = None,
    ) -> NDArray[np.float32]:
        """Submit picture files to a batcher, and return their rows, float32 (N, …)."""
        work = [
            partial(self._square, number, data, frame, None if number else crop)
            for number, data in enumerate(files)
        ]
        with self._admitted(len(files)):
            if len(work) == 1:
                return (await self._row(batcher, infer, work[0]))[None]
            return np.stack(await all_of([self._row(batcher, infer, one) for one in work]))

    async def _row(
        self, batcher: Batcher, infer: Infer, square: Callable[[int], NDArray[np.uint8]]
    ) -> NDArray[np.float32]:
        """Return the row of one picture; a large one is decoded beside the batches."""
        try:
            return await batcher.submit(partial(square, _QUICK_PIXELS), infer)
        except LargePictureError:
            loop = asyncio.get_running_loop()
            pixels = await loop.run_in_executor(self._large, square, 0)
            return await batcher.submit(lambda: pixels, infer)

    def _square(
        self, number: int, data: bytes, frame: images.Frame, crop: images.Crop | None, put_off: int
    ) -> NDArray[np.uint8]:
        """Decode a picture file to its square, or to that of its part `crop`."""
        most = self.limits.pixels
        try:
            if crop is None:
                square = self._workers.decode_square(data, frame, max_pixels=most, put_off=put_off)
                return square.pixels
            whole = self._workers.decode(data, max_pixels=most, put_off=put_off).pixels
            return images.square(images.cut(whole, crop), frame)
        except LargePictureError:
            raise
        except UsageError as error:
            raise unusable(error.what, error.remedy) from error
        except ImageError as error:
            detail = f"Picture {number + 1} cannot be used: {error.what}."
            raise unusable(detail, error.remedy or PICTURES) from error
        except ClrSearchError as error:
            logger.error("Pictures cannot be decoded: %s", error)
            raise busy("Pictures cannot be decoded now.") from error

    @contextmanager
    def _admitted(self, count: int) -> Iterator[None]:
        """Count pictures as pending during the block, or refuse them where too many are."""
        if self._pending + count > self.limits.pending_images:
            self.counters.refused.inc()
            raise busy()
        self._pending += count
        self.counters.pending.set(self._pending)
        try:
            yield
        finally:
            self._pending -= count
            self.counters.pending.set(self._pending)

    # -- search

    async def search(self, message: SearchIn, texts: LongTexts) -> Matches:
        """Return the nearest neighbours of the query of a request; `texts` are its long texts.

        Those whose files are not there are marked.

        Raises
        ------
        Problem
            If a picture cannot be used, an item is not in the collection, the vector has another
            length than the embeddings or is zero, or no item passes the filter (all 422).
        """
        for _ in range(2):
            embedded = await self._embedded(message, texts)
            try:
                query = message.query(embedded)
                matches = await self.in_index(partial(self.index.search, query))
                return await self.presence.marked(matches)
            except OtherEncoderError:
                self._checked = -_FRESH  # The next call loads the new encoder.
            except MissingItemError:
                raise unusable(
                    "An item that is named is not, or no longer, in the collection.",
                    "The ids of results are in the answers to a search.",
                ) from None  # Its message names the collection, which no client should learn.
            except UsageError as error:
                raise unusable(error.what, error.remedy) from error
        raise busy("The collection has just got another encoder.")

    async def _embedded(self, message: SearchIn, texts: LongTexts) -> dict[str, Embedded]:
        """Return the embedded pictures of a search under the keys of `SearchIn.pictures`."""
        named = message.pictures()
        if not named:
            return {}
        files = await from_texts(list(named.values()), texts)
        vectors, encoder = await self.embed(files, message.crop)
        contents = await self._in_thread(lambda: [sha256_bytes(data) for data in files])
        return {
            name: Embedded(vector, encoder.sha256, content)
            for name, vector, content in zip(named, vectors, contents, strict=True)
        }

    async def in_index(self, work: Callable[[], _Result]) -> _Result:
        """Call a function in the thread of the index, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, work)

    async def look_up(self, work: Callable[[Index], _Result]) -> _Result:
        """Call a function that takes no time with an index; it does not wait for a search."""
        call = partial(work, self._beside)
        return await asyncio.get_running_loop().run_in_executor(self._looking_up, call)

    async def parse(self, work: Callable[[], _Result]) -> _Result:
        """Call a function that parses a long body, after those that came before."""
        return await asyncio.get_running_loop().run_in_executor(self._parsing, work)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Call a blocking function in a thread, so that the event loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, work)

    # -- items

    async def item(self, number: int) -> Item:
        """Return the item with the id `number`.

        Raises
        ------
        Problem
            If there is no such item (404).
        """
        try:
            return await self.look_up(lambda index: index.item(number))
        except ClrSearchError:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no item {number}.") from None

    async def thumbnail(self, number: int, side: int) -> bytes:
        """Return a JPEG of an item, upright and without metadata; `side` is its longer side.

        Raises
        ------
        Problem
            If there is no such item, or its file cannot be read now (404).
        """
        path = (await self.item(number)).path
        try:
            return await self._in_thread(lambda: self._thumbnails.of(path, side))
        except (OSError, ImageError):
            raise Problem(
                HTTPStatus.NOT_FOUND,
                f"The file of item {number} cannot be read now.",
                "Bring the collection up to date with: clr-search build-index",
            ) from None


def _is_ready(index: Index) -> bool:
    """Return whether a collection can be read, and is where it was opened."""
    return len(index) >= 0 and index.in_place()


async def all_of(tasks: Sequence[Awaitable[_Result]]) -> list[_Result]:
    """Return the results of all tasks in order; the first exception cancels the others.

    Examples
    --------
    >>> async def square(number: int) -> int:
    ...     return number * number
    >>> async def main() -> list[int]:
    ...     return await all_of([square(2), square(3)])
    >>> asyncio.run(main())
    [4, 9]
    """
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        return await asyncio.gather(*running)
    except BaseException:
        for task in running:
            task.cancel()
        raise
