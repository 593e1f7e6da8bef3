"""What decoding a picture may cost: twice what an honest picture of as many pixels does.

Of honest pictures, large animated WebPs take the most memory, 16 bytes a pixel and a copy of their
file; HEICs and progressive JPEGs take longest, up to 70 nanoseconds a pixel. The seconds are those
of the machine on which this was measured; a worker times itself when it starts, and gets more where
it is slower (`Meter.pace`).
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from clr_search.errors import UsageError

ENFORCES_MEMORY = sys.platform == "linux"
"""Whether a worker cannot take more memory; macOS has such limits, but does not hold to them."""

ENFORCES_SECONDS = hasattr(signal, "setitimer")
"""Whether the system ends a worker by its seconds of computing; Windows has no such timer."""

_BYTES, _BYTES_A_PIXEL, _BYTES_A_BYTE = 50_000_000, 32, 2
_SECONDS, _SECONDS_A_PIXEL, _SECONDS_A_BYTE = 0.2, 140e-9, 10e-9


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """The most that decoding one picture may take in a worker process.

    A picture gets what its pixels ask for, twice over, and never more than this.

    Attributes
    ----------
    memory : float
        Bytes that a worker may take for one picture, beside the 40 MB that it takes by itself.
    seconds : float
        Seconds that one picture may take, of computing and by the clock on the wall. Starting a
        worker is not counted.

    Raises
    ------
    UsageError
        If either is not above 0.
    """

    memory: float = 4 * 2**30
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("memory", "seconds"):
            value = getattr(self, name)
            if not value > 0 or math.isnan(value):
                raise UsageError(f"The limit of {name} is {value}; it must be above 0.")

    def memory_for(self, pixels: int, size: int) -> int:
        """Return the bytes that a picture of so many pixels in a file of `size` bytes may take.

        Examples
        --------
        >>> DecodingLimits().memory_for(64, 1_000)
        50004048
        """
        return int(min(_BYTES + _BYTES_A_PIXEL * pixels + _BYTES_A_BYTE * size, self.memory))

    def seconds_for(self, pixels: int, size: int, pace: float = 1.0) -> float:
        """Return the seconds of computing that it may take; `pace` is that of `Meter`.

        Examples
        --------
        >>> round(DecodingLimits().seconds_for(1_000_000, 100_000), 3)
        0.341
        """
        seconds = _SECONDS + _SECONDS_A_PIXEL * pixels + _SECONDS_A_BYTE * size
        return min(pace * seconds, self.seconds)


class Meter:
    """Sets the limits of this process, one picture after the other; for worker processes only.

    Parameters
    ----------
    limits : DecodingLimits
        The most of any picture.
    reference : callable
        Work of some milliseconds, by which the machine is timed.
    usual : float
        Seconds that this work takes on the machine on which the limits were measured.

    Attributes
    ----------
    pace : float
        How many times longer this machine takes, at least 1.
    """

    def __init__(
        self, limits: DecodingLimits, reference: Callable[[], object], usual: float
    ) -> None:
        self._limits = limits
        self.pace = max(1.0, _quickest(reference) / usual)
        self._statm = os.open("/proc/self/statm", os.O_RDONLY) if ENFORCES_MEMORY else None
        self._at_first = self._taken = self._address_space()

    def begin(self, size: int) -> None:
        """Limit the work on a file of `size` bytes whose pixels are not known yet."""
        self._taken = self._address_space()
        self.allow(0, 0, size)

    def allow(self, pixels: int, work: int, size: int) -> None:
        """Limit the work on a picture; what it has taken since `begin` counts.

        Parameters
        ----------
        pixels, work : int
            Pixels that are held at once, and that are looked at; see `decoding.Host`.
        size : int
            Bytes of the file.
        """
        if ENFORCES_MEMORY:
            self._limit_memory(self._taken + self._limits.memory_for(pixels, size))
        if ENFORCES_SECONDS:
            seconds = self._limits.seconds_for(work, size, self.pace)
            signal.setitimer(signal.ITIMER_PROF, seconds)

    def end(self) -> None:
        """Lift the limits of the picture, so that the worker can answer."""
        if ENFORCES_SECONDS:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if ENFORCES_MEMORY:
            self._limit_memory(None)

    def grown(self) -> int:
        """Return the bytes that this process holds more than at first; 0 where nothing tells."""
        return self._address_space() - self._at_first

    def _address_space(self) -> int:
        """Return the bytes of this process's address space, which RLIMIT_AS limits."""
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 64, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")

    def _limit_memory(self, most: int | None) -> None:
        """Set the limit of the address space, within what the system grants to this process."""
        import resource

        granted = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = resource.RLIM_INFINITY if most is None else most
        if granted != resource.RLIM_INFINITY:
            wanted = granted if most is None else min(most, granted)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, granted))


def _quickest(work: Callable[[], object]) -> float:
    """Return the processor seconds of the quickest of three runs, the first of which warms up."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)
