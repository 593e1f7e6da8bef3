"""Work that takes longer than a visitor waits: done aside, told how far it is, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.index import Index

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

Tell = Callable[[str], None]
"""Takes what is being done, in words."""

_FAILED = ClrSearchError("The app failed; its log says how.", "Tell who runs it.")


@dataclass(frozen=True, slots=True)
class Progress(Generic[Result]):
    """How far some work is.

    Attributes
    ----------
    result : object or None
        What was made; where the collection has changed since, what was made before, until there is
        something newer.
    stage : str
        What is being done, in words; empty where nothing is.
    seconds : float
        For how long it has been done.
    """

    result: Result | None
    stage: str = ""
    seconds: float = 0.0

    @property
    def running(self) -> bool:
        """Whether something is being done."""
        return bool(self.stage)


class Work(Generic[Result]):
    """One thing that is made of the whole collection; it is safe to use from several threads.

    A thread of its own makes it when it is first asked for, and again when the collection has
    changed. It reads the collection through a door of its own, so that nobody waits for it.

    Parameters
    ----------
    library : Library
        The collection.
    make : callable
        Makes it of the index, and tells meanwhile what it does.
    """

    def __init__(self, library: Library, make: Callable[[Index, Tell], Result]) -> None:
        self._library, self._make = library, make
        self._lock = threading.Lock()
        self._result: Result | None = None
        self._state: object = None  # the version of the collection that the result is of
        self._error: ClrSearchError | None = None
        self._stage, self._began = "", 0.0

    def progress(self) -> Progress[Result]:
        """Begin the work where there is none, or none that is new enough, and tell how far it is.

        Raises
        ------
        ClrSearchError
            If the work has failed; once, as the next call begins it again.
        """
        state = self._library.version()
        with self._lock:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            known = self._result is not None and (state is None or state == self._state)
            if not self._stage and not known:
                self._stage, self._began = "Beginning", time.monotonic()
                threading.Thread(target=self._do, args=(state,), daemon=True).start()
            seconds = time.monotonic() - self._began if self._stage else 0.0
            return Progress(self._result, self._stage, seconds)

    def _do(self, state: object) -> None:
        """Do the work, in a thread of its own."""
        result, error = None, None
        try:
            with self._library.aside() as index:
                result = self._make(index, self._tell)
        except ClrSearchError as problem:
            error = problem
        except Exception:
            logger.exception("%s failed", self._make)
            error = _FAILED
        with self._lock:
            self._error, self._stage = error, ""
            if result is not None:
                self._result, self._state = result, state

    def _tell(self, stage: str) -> None:
        """Say what is being done."""
        with self._lock:
            self._stage = stage
