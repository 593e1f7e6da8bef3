"""Several processes that work on one study, started and ended with this one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.progress import Lines, Reporter, Silent
from clr_search.train.interruption import Interruption
from clr_search.train.study.pictures import Pictures
from clr_search.train.study.store import Store, Training
from clr_search.train.study.work import Worker


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on a study has ended.

    Attributes
    ----------
    done : int
        Number of trainings that have a result now.
    interrupted : bool
        Whether a signal has stopped it.
    time_over : bool
        Whether the time that was given has stopped it.
    """

    done: int
    interrupted: bool
    time_over: bool


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a process is told that works beside this one.

    Attributes
    ----------
    parent : int
        The process that has started it, without which it stops.
    until : float
        When to stop, as `time.time` counts.
    """

    out: Path
    pictures: Pictures
    trainings: Sequence[Training]
    threads: int
    parent: int
    until: float


class _Messages(Silent):
    """Messages on stderr, and no bar: the bars of several processes would overwrite each other."""

    def message(self, text: str) -> None:
        Lines(sys.stderr).message(text)


def work(
    trainings: Sequence[Training],
    pictures: Pictures,
    out: Path,
    *,
    threads: int = 1,
    jobs: int = 1,
    hours: float | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Do the trainings of a study that have no result, several at a time.

    Other processes may work on the same folder; each training is done by one of them. A signal
    stops all processes after their current steps, and the next call goes on from there.

    Parameters
    ----------
    trainings : sequence of Training
        The trainings, in the order in which they are to be done.
    pictures : Pictures
        The images.
    out : Path
        The folder of the study.
    threads : int
        Number of threads of the processor for each training.
    jobs : int
        Number of trainings at a time.
    hours : float, optional
        Time after which to stop, after the current step.
    reporter : Reporter, optional
        Receives the progress.
    """
    import torch.multiprocessing

    reporter = reporter or Silent()
    store = Store(out)
    until = time.time() + (float("inf") if hours is None else 3600 * hours)
    shared = _Shared(out, pictures, trainings, threads, os.getpid(), until)
    context = torch.multiprocessing.get_context("spawn")
    # A daemon ends with this process; one that is killed leaves them to find out by themselves.
    others = [context.Process(target=_beside, args=(shared,), daemon=True) for _ in range(jobs - 1)]
    with Interruption() as interruption:
        for other in others:
            other.start()

        def stop() -> bool:
            return interruption.requested or time.time() >= until

        try:
            Worker(store, pictures, threads, stop, reporter).work(trainings)
            while any(other.is_alive() for other in others) and not interruption.requested:
                time.sleep(0.1)
        finally:
            for other in others:
                if interruption.requested or sys.exc_info()[0] is not None:
                    other.terminate()  # SIGTERM: it stops after its step, and keeps a checkpoint
                other.join()
        done = sum(store.result(one) is not None for one in trainings)
        unfinished = done < len(trainings)
        return Outcome(done, interruption.requested, unfinished and time.time() >= until)


def _beside(shared: _Shared) -> None:
    """Work beside the process that has started this one."""
    with Interruption() as interruption:
        stop = _stopping(shared, interruption)
        store = Store(shared.out)
        Worker(store, shared.pictures, shared.threads, stop, _Messages()).work(shared.trainings)


def _stopping(shared: _Shared, interruption: Interruption) -> Callable[[], bool]:
    return lambda: (
        interruption.requested or time.time() >= shared.until or os.getppid() != shared.parent
    )
