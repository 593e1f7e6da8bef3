"""Pictures of many requests in one inference."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clr_search.server import batching
from clr_search.server.batching import Batcher, Decode

Squares = NDArray[np.uint8]


def square(value: int) -> Decode:
    return lambda: np.full((2, 2, 3), value, np.uint8)


def doubled(squares: Squares) -> NDArray[np.float32]:
    return 2 * squares[:, 0, 0, :1].astype(np.float32)


def run(batcher: Batcher, work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        batcher.start()
        try:
            await asyncio.wait_for(work(), 20)
        finally:
            await batcher.stop()

    asyncio.run(whole())


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(0, 255), min_size=1, max_size=60),
    most=st.integers(1, 9),
    wait=st.sampled_from([0.0, 0.002]),
    workers=st.integers(1, 3),
)
def test_each_gets_its_own_row_in_batches_of_at_most_so_many(
    values: list[int], most: int, wait: float, workers: int
) -> None:
    sizes: list[int] = []
    batcher = Batcher(most, wait, workers, sizes.append)

    async def work() -> None:
        rows = await asyncio.gather(*(batcher.submit(square(value), doubled) for value in values))
        assert [float(row[0]) for row in rows] == [2 * value for value in values]

    run(batcher, work)
    assert max(sizes) <= most
    assert sum(sizes) == len(values)


def test_what_comes_during_an_inference_goes_into_the_next_together() -> None:
    sizes: list[int] = []
    begun, release = threading.Event(), threading.Event()

    def slow(squares: Squares) -> NDArray[np.float32]:
        begun.set()
        assert release.wait(10)
        return doubled(squares)

    batcher = Batcher(64, 0.0, 1, sizes.append)

    async def work() -> None:
        first = asyncio.create_task(batcher.submit(square(1), slow))
        await asyncio.to_thread(begun.wait, 10)
        others = [asyncio.create_task(batcher.submit(square(n), slow)) for n in range(2, 9)]
        await asyncio.sleep(0.01)
        release.set()
        await asyncio.gather(first, *others)

    run(batcher, work)
    assert sizes == [1, 4, 2, 1]  # half of what waits, so that the other half is at hand next


def test_what_is_taken_together_is_inferred_apart_where_it_is_for_different_networks() -> None:
    """As while a collection is rebuilt with another encoder, of another size."""
    sizes: list[int] = []
    batcher = Batcher(64, 0.2, 1, sizes.append)

    def large(value: int) -> Decode:
        return lambda: np.full((3, 3, 3), value, np.uint8)

    def tripled(squares: Squares) -> NDArray[np.float32]:
        assert squares.shape[1:] == (3, 3, 3)
        return 3 * squares[:, 0, 0, :1].astype(np.float32)

    async def work() -> None:
        rows = await asyncio.gather(
            batcher.submit(square(1), doubled),
            batcher.submit(large(2), tripled),
            batcher.submit(square(3), doubled),
        )
        assert [float(row[0]) for row in rows] == [2, 6, 6]

    run(batcher, work)
    assert sizes == [2, 1]


def test_a_failure_reaches_all_of_its_batch_and_the_next_goes_on() -> None:
    def fails_on_nine(squares: Squares) -> NDArray[np.float32]:
        if (squares == 9).any():
            raise RuntimeError("nine")
        return doubled(squares)

    batcher = Batcher(2, 0.5)

    async def work() -> None:
        outcomes = await asyncio.gather(
            *(batcher.submit(square(n), fails_on_nine) for n in (9, 1, 2, 3)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes[:2]] == [RuntimeError, RuntimeError]
        assert [float(row[0]) for row in outcomes[2:] if isinstance(row, np.ndarray)] == [4, 6]

    run(batcher, work)


def test_who_has_gone_is_not_computed_for() -> None:
    sizes: list[int] = []
    begun, release = threading.Event(), threading.Event()

    def slow(squares: Squares) -> NDArray[np.float32]:
        begun.set()
        assert release.wait(10)
        return doubled(squares)

    batcher = Batcher(64, 0.0, 1, sizes.append)

    async def work() -> None:
        first = asyncio.create_task(batcher.submit(square(1), slow))
        await asyncio.to_thread(begun.wait, 10)
        gone, stays = (asyncio.create_task(batcher.submit(square(n), slow)) for n in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        release.set()
        assert float((await first)[0]) == 2
        assert float((await stays)[0]) == 6

    run(batcher, work)
    assert sizes == [1, 1]


def test_stopped_it_leaves_nobody_waiting() -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(squares: Squares) -> NDArray[np.float32]:
        begun.set()
        assert release.wait(10)
        return doubled(squares)

    async def whole() -> None:
        batcher = Batcher(1, 0.0)
        batcher.start()
        tasks = [asyncio.create_task(batcher.submit(square(n), slow)) for n in range(3)]
        await asyncio.to_thread(begun.wait, 10)
        release.set()
        await batcher.stop()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(
            isinstance(outcome, (np.ndarray, asyncio.CancelledError)) for outcome in outcomes
        )

    asyncio.run(whole())


def test_it_waits_for_more_but_not_long() -> None:
    sizes: list[int] = []
    batcher = Batcher(64, 0.2, 1, sizes.append)

    async def work() -> None:
        first = asyncio.create_task(batcher.submit(square(1), doubled))
        await asyncio.sleep(0.02)
        await asyncio.gather(first, batcher.submit(square(2), doubled))

    run(batcher, work)
    assert sizes == [2]


@pytest.mark.parametrize("most", [1, 3])
def test_full_it_does_not_wait(most: int) -> None:
    batcher = Batcher(most, 1000.0)

    async def work() -> None:
        await asyncio.wait_for(
            asyncio.gather(*(batcher.submit(square(n), doubled) for n in range(2 * most))), 5
        )

    run(batcher, work)


def test_a_picture_that_cannot_be_decoded_fails_alone() -> None:
    sizes: list[int] = []
    batcher = Batcher(64, 0.2, 1, sizes.append)

    def broken() -> Squares:
        raise ValueError("no picture")

    async def work() -> None:
        outcomes = await asyncio.gather(
            *(batcher.submit(one, doubled) for one in (square(1), broken, square(2))),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], ValueError)
        assert [float(outcomes[i][0]) for i in (0, 2)] == [2, 4]  # type: ignore[index]

    run(batcher, work)
    assert sizes == [2]


def test_a_batch_begins_when_decoding_has_taken_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first of many large photos would wait until the last one is decoded."""
    monkeypatch.setattr(batching, "PATIENCE", 0.0)
    sizes: list[int] = []
    batcher = Batcher(64, 0.0, 1, sizes.append)

    async def work() -> None:
        await asyncio.gather(*(batcher.submit(square(n), doubled) for n in range(12)))

    run(batcher, work)
    assert sizes == [1] * 12
