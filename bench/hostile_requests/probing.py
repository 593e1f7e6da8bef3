"""A server under test, a prober that asks it and an idle one in turn, and what came of it."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from bench.hostile_requests.kinds import Target
from bench.machine import resident

PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kind of requests came to.

    Attributes
    ----------
    sent, failed : int
        Requests, and answers of 500.
    grown : float
        The most memory of the server above that before, in MB.
    waited, computed, idle : sequence of float
        Seconds that each request of the prober took, for which the server computed meanwhile, and
        that a request to the idle server took.
    unready : int
        Answers to the prober other than 200.
    """

    sent: int
    failed: int
    grown: float
    waited: Sequence[float]
    computed: Sequence[float]
    idle: Sequence[float]
    unready: int

    def row(self, kind: str) -> str:
        """A row of the table."""
        times = " | ".join(
            f"{1000 * value:.0f}"
            for seconds in (self.waited, self.computed, self.idle)
            for value in (_p99(seconds), max(seconds, default=0.0))
        )
        return (
            f"| {kind} | {self.sent:,} | {self.failed} | {self.grown:.0f} | {times} "
            f"| {self.unready} |"
        )


def _p99(seconds: Sequence[float]) -> float:
    """The time that 99 of 100 requests do not exceed."""
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))] if seconds else 0.0


class _Idle(BaseHTTPRequestHandler):
    """Answers every request at once."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep no log."""


def _idle(told: Connection) -> None:
    """Serve as a server that nobody attacks, and tell its port."""
    server = HTTPServer(("127.0.0.1", 0), _Idle)
    told.send(server.server_port)
    server.serve_forever()


@contextlib.contextmanager
def idle() -> Iterator[int]:
    """A server that does nothing, in a process of its own: its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_idle, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def ask(path: str, port: int) -> tuple[float, int]:
    """Ask for a path: the seconds that it took, and the status, 0 for no answer."""
    began, status = time.perf_counter(), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        status = connection.getresponse().status
    connection.close()
    return time.perf_counter() - began, status


def computed(process: int) -> float:
    """Seconds that the threads of a process have been running on processors."""
    total = 0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(thread.read_text().split()[0])
    return total / 1e9


def probe(path: str, process: int, port: int, other: int, told: Connection) -> None:
    """Ask again and again for a path and the idle server, and tell times and status at the end.

    A pipe that nobody reads holds some hundreds of answers, and then stops who tells them.
    """
    answers: list[tuple[float, float, float, int]] = []
    while not told.poll():
        before = computed(process)
        seconds, status = ask(path, port)
        own = min(max(0.0, computed(process) - before), seconds)
        answers.append((seconds, own, ask("/", other)[0], status))
        time.sleep(PAUSE)
    told.send(answers)


@contextlib.contextmanager
def watched(
    target: Target, process: int, port: int, other: int
) -> Iterator[Callable[[int, int], Outcome]]:
    """Probe the server meanwhile; the function that is yielded ends it and gives the outcome."""
    before, most, over = resident(process), [0.0], threading.Event()

    def measure() -> None:
        while not over.wait(PAUSE):
            most[0] = max(most[0], resident(process))

    ours, theirs = multiprocessing.Pipe()
    asked = (target.probed, process, port, other, theirs)
    prober = multiprocessing.Process(target=probe, args=asked, daemon=True)
    prober.start()
    measuring = threading.Thread(target=measure)
    measuring.start()

    def end(sent: int, failed: int) -> Outcome:
        over.set()
        measuring.join()
        ours.send(None)
        answers = ours.recv()
        prober.join()
        waited, own, idle = ([answer[n] for answer in answers] for n in range(3))
        unready = sum(answer[3] != 200 for answer in answers)
        return Outcome(sent, failed, max(0.0, most[0] - before), waited, own, idle, unready)

    yield end
