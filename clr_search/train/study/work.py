"""Working off the trainings of a study: one after the other, side by side, within a time.

Any number of processes may work on one folder. Each takes the first training that has no result and
that no other process holds the lock of; a process that has died holds none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from clr_search.files.exclusive import Exclusive
from clr_search.progress import Reporter
from clr_search.train.data.collection import resident
from clr_search.train.hardware import tuned_for
from clr_search.train.resume import restore
from clr_search.train.study.measures import measure
from clr_search.train.study.pictures import Pictures
from clr_search.train.study.store import Result, Store, Training
from clr_search.train.threads import using_threads
from clr_search.train.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Worker:
    """What trains cells in this process.

    Attributes
    ----------
    store : Store
        The folder of the study.
    pictures : Pictures
        The images.
    threads : int
        Number of threads of the processor.
    stop : callable
        Returns True when the work is to stop, which it does after the current step.
    reporter : Reporter
        Receives the progress.
    """

    store: Store
    pictures: Pictures
    threads: int
    stop: Callable[[], bool]
    reporter: Reporter

    def work(self, trainings: Sequence[Training]) -> bool:
        """Do the trainings that have no result and that no other process is at.

        Returns
        -------
        bool
            Whether all were looked at; False if the work was stopped before.
        """
        while True:
            for number, one in enumerate(trainings, start=1):
                if self.stop():
                    return False
                if self.store.result(one) is None:
                    done = self._attempt(one, f"{number} of {len(trainings)}")
                    if done is not None:
                        break
            else:
                return True
            if not done:
                return False

    def _attempt(self, one: Training, number: str) -> bool | None:
        """Do a training unless another process is at it; whether it was done, None if not tried."""
        lock = self.store.lock(one)
        with Exclusive(lock) as exclusive:
            if not exclusive.held:
                return None
            result = self.store.result(one)  # another process may just have finished it
            if result is None:
                self.reporter.message(f"{number}: {one.name}")
                result = self._train(one)
                if result is None:
                    return False
                self.store.keep(one, result)
            self.store.forget(one)
            lock.delete()
        return True

    def _train(self, one: Training) -> Result | None:
        """Train and measure, from the last checkpoint if there is one; None if it was stopped."""
        config, run = one.config, self.store.run(one)
        began, cpu_began = time.monotonic(), time.process_time()
        with tuned_for(config.device), using_threads(self.threads):
            images = resident(self.pictures.train, config.device)
            trainer = Trainer(run, config, images, self.reporter)
            again = bool(run.names())
            if again:
                restore(trainer, self.pictures.train, run, self.reporter)
            before = trainer.progress.total_seconds + trainer.progress.seconds
            if not trainer.run(self.stop):
                return None
            measures = measure(trainer.networks, config, self.pictures)
        on_processor = torch.device(config.device).type == "cpu"
        threads = (
            f", {self.threads} thread{'s' if self.threads > 1 else ''}" if on_processor else ""
        )
        return Result(
            {name: round(value, 4) for name, value in measures.items()},
            round(before + time.monotonic() - began, 1),
            round(time.process_time() - cpu_began, 1) if on_processor and not again else None,
            f"{config.device}{threads}, torch {torch.__version__}",
        )
