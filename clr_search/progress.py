"""Reporters show the progress of long work: a bar in a terminal, plain lines elsewhere.

Both write to stderr, which keeps stdout for results. Stages report to a `Reporter` and know nothing
of terminals; the default, `Silent`, suits library use.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from clr_search.terminal import printable, raw

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Reporter(ABC):
    """The interface through which a stage reports messages and progress to the user."""

    @abstractmethod
    def message(self, text: str) -> None:
        """Show one line of text."""

    @contextmanager
    def task(self, what: str, total: int | None, unit: str) -> Iterator[None]:
        """Open a bar for a ``with`` block, and close it however the block ends.

        Parameters
        ----------
        what : str
            Name of the work, such as ``"Embedding"``.
        total : int or None
            Number of units in all; None where it is not known.
        unit : str
            Name of what is counted, such as ``"images"``.

        Examples
        --------
        >>> reporter = Silent()
        >>> with reporter.task("Embedding", 2, "images"):
        ...     for image in ("a.jpg", "b.jpg"):
        ...         reporter.advance()
        """
        self.begin(what, total, unit)
        try:
            yield
        finally:
            self.end()

    @abstractmethod
    def begin(self, what: str, total: int | None, unit: str) -> None:
        """Open a bar; stages call `task` instead, which also closes it."""

    @abstractmethod
    def advance(self, count: int = 1, note: str = "") -> None:
        """Report `count` more units as done; a note replaces the one at the end of the line."""

    def revise(self, total: int) -> None:  # noqa: B027 - what shows no total has none to change
        """Change the number of units in all, where it turns out to be another than at first."""

    @abstractmethod
    def end(self) -> None:
        """Close the bar."""


class Silent(Reporter):
    """A reporter that shows nothing."""

    def message(self, text: str) -> None: ...

    def begin(self, what: str, total: int | None, unit: str) -> None: ...

    def advance(self, count: int = 1, note: str = "") -> None: ...

    def end(self) -> None: ...


class Lines(Reporter):
    """A reporter for logs and pipes: it writes a line every `interval` seconds and one at the end.

    Parameters
    ----------
    stream : TextIO, optional
        Text stream to write to; by default, what `sys.stderr` is at the time of writing.
    interval : float
        Seconds between two lines.
    brief : bool
        Whether to show nothing of work that ends within the first interval.

    Examples
    --------
    >>> Lines(sys.stdout).message("Reading pictures")
    Reading pictures
    """

    def __init__(
        self, stream: TextIO | None = None, interval: float = 10.0, *, brief: bool = False
    ) -> None:
        self._stream = stream
        self._interval = interval
        self._brief = brief

    def message(self, text: str) -> None:
        print(printable(text), file=self._stream or sys.stderr, flush=True)

    def begin(self, what: str, total: int | None, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done, self._note = 0, ""
        self._began = self._said = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        self._note = note or self._note
        if time.monotonic() - self._said >= self._interval:
            self._say()

    def revise(self, total: int) -> None:
        self._total = total

    def end(self) -> None:
        if not self._brief or self._said > self._began:
            self._say()

    def _say(self) -> None:
        """Write a line with the count, the rate, the time left or taken, and the note."""
        self._said = time.monotonic()
        seconds = max(self._said - self._began, 1e-6)
        rate = self._done / seconds
        parts = [f"{self._what}: {self._done:,}"]
        if self._total is not None:
            parts[0] += f"/{self._total:,}"
        parts[0] += f" {self._unit}"
        parts.append(f"{rate:,.1f} {self._unit}/s")
        if self._total is not None and 0 < self._done < self._total:
            parts.append(f"{_clock((self._total - self._done) / rate)} left")
        else:
            parts.append(f"{_clock(seconds)} in all")
        if self._note:
            parts.append(self._note)
        self.message(" · ".join(parts))


class Bar(Reporter):
    """A reporter for a terminal: a bar with count, rate, remaining time and note."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(file=raw(sys.stderr), highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def message(self, text: str) -> None:
        self._console.print(printable(text), markup=False)

    def begin(self, what: str, total: int | None, unit: str) -> None:
        from rich import progress as columns

        self.end()
        self._progress = columns.Progress(
            columns.TextColumn("{task.description}", markup=False),
            columns.BarColumn(bar_width=24),
            columns.MofNCompleteColumn(),
            columns.TextColumn("{task.fields[rate]}", markup=False),
            columns.TimeRemainingColumn(compact=True),
            columns.TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
        )
        self._progress.start()
        self._task = self._progress.add_task(
            printable(what, lines=False), total=total, rate="", note=""
        )
        self._unit, self._began = unit, time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        if self._progress is None or self._task is None:
            return
        task = self._progress.tasks[0]
        seconds = max(time.monotonic() - self._began, 1e-6)
        rate = f"{(task.completed + count) / seconds:,.1f} {self._unit}/s"
        self._progress.update(
            self._task,
            advance=count,
            rate=rate,
            note=printable(note, lines=False) or task.fields["note"],
        )

    def revise(self, total: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None


def for_terminal() -> Reporter:
    """Return a `Bar` where stderr is a terminal, and `Lines` where it is not."""
    return Bar() if sys.stderr.isatty() else Lines()


def _clock(seconds: float) -> str:
    """Format a duration as m:ss, or as h:mm:ss from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
