"""What the service does: decode and embed together in threads, answer from the index."""

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
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.write import sha256_bytes
from clr_search.index.search.query import Embedded
from clr_search.index.search.resolve import MissingItemError, OtherEncoderError
from clr_search.serve.pipeline import usable_cores
from clr_search.server.batching import Batcher, Infer
from clr_search.server.counters import Counters
from clr_search.server.messages.bodies import from_base64
from clr_search.server.messages.problems import Problem, busy
from clr_search.server.messages.schemas import SearchIn
from clr_search.server.settings import Limits
from clr_search.web.thumbnails import Thumbnails, small_jpeg

if TYPE_CHECKING:
    from clr_search.index import Index, Matches
    from clr_search.index.catalog.records import Item
    from clr_search.serve.encoder import Encoder
    from clr_search.serve.probe import Probe, Verdict

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_FRESH = 1.0  # seconds for which the collection is taken to keep its encoder


class Engine:
    """Embeds, searches and classifies for many requests at a time.

    Parameters
    ----------
    index : Index
        The collection.
    probe : Probe or None
        A classifier.
    limits : Limits
        Of a request and of all.
    counters : Counters
        Where batches and refusals are counted.
    """

    def __init__(
        self,
        index: Index,
        probe: Probe | None,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self.index, self.probe, self.limits, self.counters = index, probe, limits, counters
        self._encoder = index.encoder.with_threads(1)
        self._asked = time.monotonic()
        self._pending = 0
        self._aside = ThreadPoolExecutor(usable_cores(), thread_name_prefix="aside")
        # An index answers one call at a time; its own threads use the cores.
        self._searching = ThreadPoolExecutor(1, thread_name_prefix="search")
        batch, wait, observe = limits.batch, limits.batch_wait, counters.batches.observe
        self._embedding = Batcher(batch, wait, usable_cores(), observe)
        self._classifying = Batcher(batch, wait, 1, observe)
        self._thumbnails = Thumbnails(small_jpeg)

    def start(self) -> None:
        """Begin, in the running loop."""
        self._embedding.start()
        self._classifying.start()

    async def stop(self) -> None:
        """End the threads."""
        await self._embedding.stop()
        await self._classifying.stop()
        for pool in (self._aside, self._searching):
            pool.shutdown(wait=True)

    # -- embedding

    def _predict(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self.probe is not None
        rows, novelty = self.probe.examine(squares)
        return rows if novelty is None else np.column_stack([rows, novelty])

    async def encoder(self) -> Encoder:
        """That of the collection, which a rebuild may have changed; runs are on one core each.

        Raises
        ------
        Problem
            If it cannot be read now.
        """
        if time.monotonic() - self._asked > _FRESH:
            await self.in_index(self._renew)
            self._asked = time.monotonic()
        return self._encoder

    def _renew(self) -> None:
        """In the thread of the index: load the encoder, if it is another one."""
        current = self._current()
        if current.sha256 != self._encoder.sha256:
            self._encoder = current.with_threads(1)

    def _current(self) -> Encoder:
        try:
            return self.index.encoder
        except (ClrSearchError, OSError) as error:  # at the end of a rebuild its file is renamed
            logger.warning("The encoder of %s cannot be read: %s", self.index.path, error)
            raise busy("The encoder of the collection cannot be read now.") from error

    async def embed(
        self, files: Sequence[bytes], crop: images.Crop | None = None
    ) -> tuple[NDArray[np.float32], Encoder]:
        """Unit vectors of picture files, float32 [N, D], and the encoder they are of.

        Of the first picture, only the part `crop` is embedded.

        Raises
        ------
        Problem
            If one is no picture, or too many are waiting.
        """
        encoder = await self.encoder()
        size, infer = encoder.image_size, encoder.encode_squares
        return await self._through(self._embedding, infer, files, size, crop), encoder

    async def classify(self, files: Sequence[bytes]) -> list[Verdict]:
        """What picture files are taken for.

        Raises
        ------
        Problem
            As `embed`, and if there is no classifier.
        """
        if self.probe is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "The service has no classifier.",
                "Start it with: clr-search serve COLLECTION --probe probe.onnx",
            )
        rows = await self._through(
            self._classifying, self._predict, files, self.probe.card.image_size
        )
        if self.probe.tells_unknown:
            return self.probe.verdicts(rows[:, :-1], rows[:, -1])
        return self.probe.verdicts(rows, None)

    async def _through(
        self,
        batcher: Batcher,
        infer: Infer,
        files: Sequence[bytes],
        size: int,
        crop: images.Crop | None = None,
    ) -> NDArray[np.float32]:
        work = [
            partial(self._square, number, data, size, None if number else crop)
            for number, data in enumerate(files)
        ]
        with self._admitted(len(files)):
            if len(work) == 1:
                return (await batcher.submit(work[0], infer))[None]
            return np.stack(await all_of([batcher.submit(one, infer) for one in work]))

    def _square(
        self, number: int, data: bytes, size: int, crop: images.Crop | None
    ) -> NDArray[np.uint8]:
        most = self.limits.pixels
        try:
            if crop is None:
                return images.decode_square(data, size, max_pixels=most).pixels
            whole = images.decode(data, max_pixels=most).pixels
            return images.square(images.cut(whole, crop), size)
        except UsageError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.what, error.remedy) from error
        except ImageError as error:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"Picture {number + 1} cannot be used: {error.what}.",
                error.remedy,
            ) from error

    @contextmanager
    def _admitted(self, count: int) -> Iterator[None]:
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

    async def search(self, asked: SearchIn) -> Matches:
        """Neighbours of what is asked for.

        Raises
        ------
        Problem
            If a picture cannot be used, an item is not there, the vector has another length or no
            direction, or the filter leaves nothing.
        """
        for _ in range(2):
            query = asked.query(await self._embedded(asked))
            try:
                return await self.in_index(partial(self.index.search, query))
            except OtherEncoderError:
                self._asked = -_FRESH  # ask anew
            except MissingItemError:
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "An item that is named is not, or no longer, in the collection.",
                    "The ids of results are in the answers to a search.",
                ) from None
        raise busy("The collection has just got another encoder.")

    async def _embedded(self, asked: SearchIn) -> dict[str, Embedded]:
        """The pictures of a search by their base64; of the first, the part that is asked for."""
        named = asked.pictures()
        if not named:
            return {}
        files = [from_base64(text, where) for text, where in named.values()]
        vectors, encoder = await self.embed(files, asked.crop)
        contents = await self._in_thread(lambda: [sha256_bytes(data) for data in files])
        return {
            name: Embedded(vector, encoder.sha256, content)
            for name, vector, content in zip(named, vectors, contents, strict=True)
        }

    async def in_index(self, work: Callable[[], _Result]) -> _Result:
        """Do something with the index, in its thread.

        Raises
        ------
        Problem
            If it is wrongly used (422).
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._searching, work)
        except MissingItemError:
            raise  # its message names the folder of the collection, which is nobody's business
        except UsageError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.what, error.remedy) from error

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._aside, work)

    # -- items

    async def item(self, number: int) -> Item:
        """An item by its id.

        Raises
        ------
        Problem
            If there is none.
        """
        try:
            return await self.in_index(lambda: self.index.item(number))
        except ClrSearchError:
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no item {number}.") from None

    async def thumbnail(self, number: int, side: int) -> bytes:
        """A small JPEG of an item, upright, without metadata.

        Raises
        ------
        Problem
            If there is no such item, or its file cannot be read now.
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


async def all_of(tasks: Sequence[Awaitable[_Result]]) -> list[_Result]:
    """Results of all; the first failure cancels the others."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        return await asyncio.gather(*running)
    except BaseException:
        for task in running:
            task.cancel()
        raise
