"""The end of a training that was given a time: where it is slower than planned, its schedule bends.

The number of epochs is chosen by timing some steps before the training. What other programs do
later cannot be timed in advance, so the pace is measured all along. If the rest would not fit into
the time, the rest of the schedule of learning rates is passed through in fewer steps: the rate
still falls to 0 at the end, which a training that is cut off in the middle would lack. If the
machine becomes quick again, the schedule is stretched again, to at most the steps that were
planned.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_REVISIONS = 50
"""Number of revisions in the time given, of which each is based on the pace since the last one."""

_TOLERANCE = 0.02
"""Share of the remaining steps by which an end must move before the schedule is changed."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a training, and the place on the planned schedule that each of them takes.

    Attributes
    ----------
    planned : int
        Number of steps that were planned.
    end : int
        Number of steps after which the training ends.
    bent_at : int
        Step at which the schedule was last changed.
    position : float
        Place on the planned schedule, in steps, that this step took.

    Examples
    --------
    >>> schedule = Schedule(100, 100).ending_at(step=40, end=60)
    >>> [schedule.at(step) for step in (40, 50, 60)]
    [40.0, 70.0, 100.0]
    """

    planned: int
    end: int
    bent_at: int = 0
    position: float = 0.0

    @property
    def shortened(self) -> bool:
        """Whether the training ends before its planned end."""
        return self.end < self.planned

    def at(self, step: int) -> float:
        """Return the place on the planned schedule that a step takes, from `bent_at` on."""
        left = max(self.end - self.bent_at, 1)
        return self.position + (step - self.bent_at) * (self.planned - self.position) / left

    def ending_at(self, step: int, end: int) -> Schedule:
        """Return a schedule that is the same up to `step`, and ends after step `end`."""
        return Schedule(self.planned, end, step, self.at(step))


class Pace:
    """Measures the pace of a training, and keeps the schedule with which it ends in time.

    Parameters
    ----------
    planned : int
        Number of steps that were planned.
    seconds : float or None
        Time for the whole training; None where it is not limited.
    clock : callable
        Returns the time in seconds.

    Attributes
    ----------
    schedule : Schedule
        The schedule as it is now.
    """

    def __init__(
        self, planned: int, seconds: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.schedule = Schedule(planned, planned)
        self._seconds, self._clock = seconds, clock
        self._pace: float | None = None  # seconds a step, those between two epochs included
        self.start(0, 0.0, None)

    @property
    def elapsed(self) -> float:
        """Seconds of the training so far, those of earlier starts included."""
        return self._clock() - self._began

    def start(self, step: int, elapsed: float, schedule: Schedule | None) -> None:
        """Start or go on, after some steps that have taken some seconds, on a stored schedule."""
        self.schedule = schedule or self.schedule
        self._began = self._clock() - elapsed
        self._marked = (elapsed, step)

    def keep(self, step: int) -> bool:
        """Revise the schedule after a step, so that the training ends in time.

        Parameters
        ----------
        step : int
            Number of steps that are finished; at least 1.

        Returns
        -------
        bool
            Whether the end has moved.
        """
        if self._seconds is None or step >= self.schedule.end:
            return False
        elapsed = self.elapsed
        end = step if elapsed >= self._seconds else self._fitting_end(step, elapsed, self._seconds)
        if end == self.schedule.end:
            return False
        self.schedule = self.schedule.ending_at(step, end)
        return True

    def _fitting_end(self, step: int, elapsed: float, seconds: float) -> int:
        """The end that fits into the time, or the present one where it is about the same."""
        end = self.schedule.end
        since, from_step = self._marked
        if elapsed - since < seconds / _REVISIONS:
            return end
        recent = (elapsed - since) / (step - from_step)
        self._pace = recent if self._pace is None else (self._pace + recent) / 2
        self._marked = (elapsed, step)
        fitting = step + max(1, int((seconds - elapsed) / self._pace))
        fitting = min(self.schedule.planned, fitting)
        return end if abs(fitting - end) <= _TOLERANCE * (end - step) else fitting
