"""The number of threads, and the number format, with which this machine trains fastest now.

More threads are not always faster. Where another program keeps a core busy, the threads of a step
wait for the one that shares its core, and spin meanwhile: on a machine of two cores, two threads
trained 3 images/s beside one busy process, where one thread trained 67 to 160. Nothing but
measuring tells, so some steps are timed with each choice before a training of some length; and
again where the pace falls to less than half of what it was, or rose again after fewer threads
were chosen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch

from clr_search.train.network.model import build_encoder, layout_for
from clr_search.train.settings.names import Precision
from clr_search.train.settings.resolved import ResolvedConfig

WORTHWHILE_SECONDS = 60.0
"""Shortest training, in seconds, before which choices are timed."""

_IMAGES = 64  # images in a timed step; enough that a step takes longer than its threads' start
_SLICE = 1.0  # seconds for which a choice is timed, after one step that is not
_GAIN = 1.1  # speed relative to the default's from which another choice is taken
_WINDOW = 20.0  # seconds over which the pace of a training is taken
_COLLAPSE = 0.5  # share of the best pace below which choices are timed again
_PAUSE = 120.0  # seconds after a timing before a fallen pace leads to the next one
_RETRY = 600.0  # seconds after which more threads are tried again


@dataclass(frozen=True, slots=True)
class Choice:
    """A number of threads and a number format, with the speed that was measured.

    Attributes
    ----------
    threads : int
        Number of threads.
    precision : str
        Number format of the network.
    rate : float
        Images per second that pass through the encoder and back, in one view.
    """

    threads: int
    precision: Precision
    rate: float

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}, {self.precision}: {self.rate:,.0f} views/s"


def candidates(most: int) -> list[int]:
    """The numbers of threads that are timed, at most `most`: all, half, and one.

    Examples
    --------
    >>> candidates(8), candidates(2), candidates(1)
    ([8, 4, 1], [2, 1], [1])
    """
    return list(dict.fromkeys([most, max(1, most // 2), 1]))


def timed_choices(
    config: ResolvedConfig, threads: Sequence[int], precisions: Sequence[Precision]
) -> list[Choice]:
    """Time the encoder of some settings, forward and backward, with each choice.

    Parameters
    ----------
    config : ResolvedConfig
        Settings, of which those of the network and of its images are used.
    threads : sequence of int
        Numbers of threads.
    precisions : sequence of str
        Number formats.

    Returns
    -------
    list of Choice
        One for each pair; the number of threads of torch is what it was.
    """
    return _timed(config, threads, precisions, seconds=_SLICE)


def _timed(
    config: ResolvedConfig,
    threads: Sequence[int],
    precisions: Sequence[Precision],
    seconds: float,
) -> list[Choice]:
    state = torch.get_rng_state()  # so that the training draws what it draws without this
    encoder = build_encoder(config).train()
    layout = layout_for(encoder, config.channels_last)
    encoder.to(memory_format=layout)
    torch.set_rng_state(state)
    size = config.image_size
    count = max(2, min(_IMAGES, config.batch_size, config.micro_batch or _IMAGES))
    images = torch.zeros(count, 3, size, size).contiguous(memory_format=layout)

    def step(precision: Precision) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            h = encoder(images)
        h.float().square().mean().backward()

    choices = []
    for precision in precisions:
        for number in threads:
            with using_threads(number):
                rate = count * _rate(partial(step, precision), seconds)
            choices.append(Choice(number, precision, rate))
    return choices


def _rate(step: Callable[[], None], seconds: float) -> float:
    """Calls of `step` per second over some seconds, at least one; the first is not counted."""
    step()
    began, count = time.monotonic(), 0
    while count == 0 or time.monotonic() - began < seconds:
        step()
        count += 1
    return count / (time.monotonic() - began)


def best_of(choices: Sequence[Choice]) -> Choice:
    """The fastest choice, or the first one where the fastest gains less than a tenth.

    Examples
    --------
    >>> best_of([Choice(2, "fp32", 100.0), Choice(1, "fp32", 105.0)]).threads
    2
    """
    fastest = max(choices, key=lambda choice: choice.rate)
    return fastest if fastest.rate >= _GAIN * choices[0].rate else choices[0]


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Let torch use so many threads within this context; None changes nothing."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose(
    config: ResolvedConfig, images_count: int, most: int, open_precision: bool
) -> list[Choice] | None:
    """Time the choices for a training on a processor, the default one first.

    Parameters
    ----------
    config : ResolvedConfig
        Settings.
    images_count : int
        Number of images of the training.
    most : int
        Number of threads that torch uses by itself.
    open_precision : bool
        Whether the precision was left open; single precision is then timed beside bf16.

    Returns
    -------
    list of Choice or None
        None where there is nothing to choose, or the training is too short to be worth it.
    """
    precisions = [config.precision]
    if open_precision and config.precision == "bf16":
        precisions.append("fp32")
    if len(precisions) == most == 1:
        return None
    expected = config.seconds
    if expected is None:
        views = 2 + config.local_views
        rate = _timed(config, [most], [config.precision], seconds=0.0)[0].rate
        expected = config.epochs * images_count * views / rate
    if expected < WORTHWHILE_SECONDS:
        return None
    return timed_choices(config, candidates(most), precisions)


class ThreadsWatch:
    """Changes the number of threads of a training whose pace has fallen.

    Parameters
    ----------
    config : ResolvedConfig
        Settings of the training.
    most : int
        Number of threads that torch uses by itself.
    clock : callable
        Returns the time in seconds.
    measure : callable
        Times numbers of threads; by default `timed_choices`.
    """

    def __init__(
        self,
        config: ResolvedConfig,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        measure: Callable[[Sequence[int]], list[Choice]] | None = None,
    ) -> None:
        self._config, self._most, self._clock = config, most, clock
        self._measure = measure or (
            lambda threads: timed_choices(config, threads, [config.precision])
        )
        self._since = self._timed_at = clock()
        self._work = self._best = 0.0

    def step(self, work: float) -> str:
        """Count the work of a step; choose the number of threads again if that is due.

        Parameters
        ----------
        work : float
            Pixels that the step has trained on, so that growing views do not seem slow.

        Returns
        -------
        str
            A sentence on the change; empty where nothing has changed.
        """
        if not self._due(work):
            return ""
        before = torch.get_num_threads()
        others = [number for number in candidates(self._most) if number != before]
        choices = self._measure([before, *others])
        best = best_of(choices)
        torch.set_num_threads(best.threads)
        self._since = self._timed_at = self._clock()
        self._work = self._best = 0.0
        if best.threads == before:
            return ""
        return f"The pace has changed ({'; '.join(map(str, choices))}): going on with {best}."

    def _due(self, work: float) -> bool:
        self._work += work
        now = self._clock()
        if self._most == 1 or now - self._since < _WINDOW:
            return False
        pace = self._work / (now - self._since)
        self._since, self._work = now, 0.0
        self._best = max(self._best, pace)
        waited = now - self._timed_at
        fallen = pace < _COLLAPSE * self._best and waited >= _PAUSE
        return fallen or (torch.get_num_threads() < self._most and waited >= _RETRY)
