"""Work that takes longer than an answer may: one at a time, in a thread, with its progress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from clr_search.errors import ClrSearchError
from clr_search.progress import Reporter

logger = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 -- it is no error
    """Somebody has stopped the work."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What work is at.

    Attributes
    ----------
    what : str
        The part of the work, such as ``"Looking at pictures"``.
    done : int
        Units that are done.
    total : int or None
        Units in all; None where that is not known.
    unit : str
        Name of what is counted, such as ``"images"``.
    seconds : float
        Seconds since the work began.
    """

    what: str
    done: int
    total: int | None
    unit: str
    seconds: float


class Background:
    """Work of one kind, which runs in a thread of its own, and never twice at a time.

    Parameters
    ----------
    name : str
        What the work is called in messages, such as ``"search for copies"``.

    Examples
    --------
    >>> done = []
    >>> background = Background("count")
    >>> background.begin(lambda reporter: done.append(1))
    >>> background.wait()
    >>> done, background.doing()
    ([1], None)
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._watched: _Watched | None = None
        self._thread: threading.Thread | None = None
        self._error: ClrSearchError | None = None

    def begin(self, work: Callable[[Reporter], None]) -> None:
        """Begin work, which tells its progress to the reporter that it is given.

        Raises
        ------
        ClrSearchError
            If such work is going on.
        """
        with self._lock:
            if self._watched is not None:
                raise ClrSearchError(f"A {self._name} is going on already.", "Wait until it ends.")
            self._watched, self._error = _Watched(), None
            self._thread = threading.Thread(
                target=self._run, args=(work, self._watched), name=self._name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Let the work end soon, if any is going on."""
        with self._lock:
            if self._watched is not None:
                self._watched.stopped.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended, or for so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def doing(self) -> Doing | None:
        """Return what the work is at; None where none is going on."""
        watched = self._watched
        return None if watched is None else watched.doing()

    def error(self) -> ClrSearchError | None:
        """Return why the last work failed, if it did."""
        return self._error

    def _run(self, work: Callable[[Reporter], None], watched: _Watched) -> None:
        """Do the work, and keep its error."""
        error: ClrSearchError | None = None
        try:
            work(watched)
        except Stopped:
            error = ClrSearchError(f"The {self._name} was stopped.", "It can be begun again.")
        except ClrSearchError as raised:
            error = raised
        except Exception:
            logger.exception("the %s failed", self._name)
            error = ClrSearchError(
                f"The {self._name} failed; the log of the app says how.", "Tell who runs it."
            )
        with self._lock:
            self._watched, self._error = None, error


class _Watched(Reporter):
    """A reporter whose progress is asked for, and through which work is stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._began = time.monotonic()
        self._what, self._unit, self._done = "Beginning", "", 0
        self._total: int | None = None

    def doing(self) -> Doing:
        """Return what was told last."""
        seconds = time.monotonic() - self._began
        return Doing(self._what, self._done, self._total, self._unit, seconds)

    def message(self, text: str) -> None:
        """Nothing is shown of messages."""

    def begin(self, what: str, total: int | None, unit: str) -> None:
        """Take down what is done next."""
        self._require_going_on()
        self._what, self._total, self._unit, self._done = what, total, unit, 0

    def advance(self, count: int = 1, note: str = "") -> None:
        """Take down how much is done."""
        self._require_going_on()
        self._done += count

    def revise(self, total: int) -> None:
        """Take down how much there is to do."""
        self._total = total

    def end(self) -> None:
        """The next part says what it is."""

    def _require_going_on(self) -> None:
        if self.stopped.is_set():
            raise Stopped
