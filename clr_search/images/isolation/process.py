"""`WorkerProcess`: one worker as its parent sees it, from its start to its end."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from clr_search.errors import ClrSearchError, ImageError
from clr_search.images.isolation import messages
from clr_search.images.isolation.limits import DecodingLimits
from clr_search.images.isolation.messages import (
    READY,
    TURN,
    Outcome,
    Request,
    SharedFile,
    WrongAnswerError,
)

_STARTING = 60.0
"""Seconds within which a worker must have loaded its decoders, on a machine that is busy."""

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from clr_search.images.isolation.worker import main; main()"
)
"""A worker imports what its parent does, whatever changed `sys.path` there."""

_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Environment without threads that nothing uses, and without the address space of their heaps."""

_KEPT = 2**24
"""Bytes of the shared file that are kept for the next message; more are given back."""

_SIGNALS_OF_TIME = {getattr(signal, name, None) for name in ("SIGPROF", "SIGXCPU")} - {None}


class WorkerProcess:
    """A process that decodes pictures, for one thread at a time.

    It is started at once and without waiting; the first message waits until it is ready.

    Parameters
    ----------
    limits : DecodingLimits
        The most that a picture may take.

    Attributes
    ----------
    alive : bool
        Whether it can be asked; else `end` has been called.
    deadline : float
        When, by `time.monotonic`, it is to be killed by `kill_if_late`; infinite between messages.
    """

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self._shared = SharedFile()
        self._ready = self._late = False
        self.alive = True
        self.deadline = math.inf
        command = [sys.executable, "-I", "-W", "ignore", "-c", _PROGRAM]
        arguments = [json.dumps(dataclasses.astuple(limits)), json.dumps(sys.path)]
        try:
            self._process = subprocess.Popen(
                command + arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._shared.descriptor,
                bufsize=0,
                env=os.environ | _SINGLE,
            )
        except OSError as error:
            self._shared.close()
            raise ClrSearchError(
                f"No process to decode pictures could be started: {error}."
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, requests: Sequence[Request]) -> list[Outcome]:
        """Return what became of pictures, at most `messages.MOST`; None where not begun yet.

        A picture during which the process dies is refused, and the process ended.

        Raises
        ------
        ClrSearchError
            If the process does not start.
        """
        if not self._ready:
            self._wait_until_ready()
        self.deadline = time.monotonic() + self._limits.seconds
        messages.ask(self._shared, requests)
        answered = self._tell(len(requests)) and self._turn() == TURN
        self.deadline = math.inf
        if not answered:
            self._process.kill()  # it may have closed its pipe only
            self._process.wait()
        try:
            found = messages.outcomes(self._shared, requests)
            begun = messages.working(self._shared, len(requests))
            if answered and (begun is not None or found[0] is None):
                raise WrongAnswerError("it is not done", begun or 0)
            if begun is not None:
                found[begun] = ImageError(self._reason())
        except WrongAnswerError as error:
            found = [None] * len(requests)
            found[error.picture] = ImageError(
                f"the process that decoded it answered nonsense ({error})"
            )
            answered = False
        if not answered:
            self.end()
        elif os.fstat(self._shared.descriptor).st_size > _KEPT:
            self._shared.shrink()
        return found

    def _wait_until_ready(self) -> None:
        """Wait until the process has loaded its decoders."""
        self.deadline = time.monotonic() + _STARTING
        answer = self._turn()
        self.deadline = math.inf
        if answer != READY:
            self._process.kill()
            code = self._process.wait()
            said = self._said()
            self.end()
            raise ClrSearchError(
                "A process to decode pictures ended before it was ready "
                f"({_way_of_dying(code)}){said}."
            )
        self._ready = True

    def _said(self) -> str:
        """Return the last line of what Python wrote about a failed start."""
        size = os.fstat(self._shared.descriptor).st_size
        text = self._shared.read(min(size, 100_000), 0).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return f": {lines[-1].strip()}" if lines else ""

    def _tell(self, count: int) -> bool:
        """Tell the process that a message waits; returns False where it has died."""
        try:
            return os.write(self._to, bytes([count])) == 1
        except OSError:
            return False

    def _turn(self) -> bytes:
        """Wait for a byte of the process; empty where it has died."""
        try:
            return os.read(self._from, 1)
        except OSError:
            return b""

    def _reason(self) -> str:
        """Return why the picture that was worked on when the process died has no pixels."""
        if self._late:
            return f"decoding it did not end within {self._limits.seconds:g} seconds"
        if -self._process.returncode in _SIGNALS_OF_TIME:
            return "decoding it takes longer than a picture of its size may"
        return f"the process that decoded it died ({_way_of_dying(self._process.returncode)})"

    def kill_if_late(self, now: float) -> None:
        """Kill the process if the time of its message is over; for another thread."""
        if now > self.deadline:
            self._late = True
            self._process.kill()

    def kill(self) -> None:
        """Kill the process; whoever waits for it learns so."""
        self._process.kill()

    def end(self) -> None:
        """End the process and give back all that it had."""
        if not self.alive:
            return
        self.alive = False
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        self._shared.close()


def _way_of_dying(code: int) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    with suppress(ValueError):
        if code < 0:
            return signal.Signals(-code).name
    return f"exit code {code}"
