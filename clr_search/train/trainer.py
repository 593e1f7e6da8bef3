"""The epochs and steps of a training, from its last checkpoint to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import replace

import torch
from torch import nn

from clr_search.files.own import OwnFolder
from clr_search.progress import Reporter
from clr_search.train.checkpoint import BEST, CHECKPOINT, Progress, load_checkpoint, save_checkpoint
from clr_search.train.data.batches import Batch, batches, epoch_order
from clr_search.train.data.collection import Collection
from clr_search.train.distributed import any_of_all, world
from clr_search.train.losses.objective import Objective
from clr_search.train.methods import build_method
from clr_search.train.monitor.curves import CURVES, draw_curves
from clr_search.train.monitor.epoch import EpochMonitor
from clr_search.train.monitor.health import require_finite_loss, require_finite_weights
from clr_search.train.monitor.heldout import held_out
from clr_search.train.monitor.metrics import (
    METRICS,
    Row,
    append_row,
    best_epoch,
    patience_exhausted,
    read_metrics,
)
from clr_search.train.monitor.tally import Tally
from clr_search.train.network.average import Average
from clr_search.train.network.compiled import compile_networks, explain_compile_errors, uncompiled
from clr_search.train.network.initial import load_initial
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.pace import Pace
from clr_search.train.optimization.schedule import learning_rate_at, view_side_at
from clr_search.train.optimization.step import take_step
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.threads import ThreadsWatch

_NOTE_SECONDS = 0.5  # between two notes on the loss; reading it makes a GPU wait
_AGREE_STEPS = 8  # steps between two agreements of several processes on whether to stop
_CURVES_SECONDS = 120.0  # between two drawings of the curves, each of which takes half a second


class Trainer:
    """A training in progress: networks, optimizer, and how far it has come.

    Parameters
    ----------
    out : OwnFolder
        The folder of the run.
    config : ResolvedConfig
        Settings of the training.
    collection : Collection
        The images.
    reporter : Reporter
        Receives the progress.
    elapsed : float
        Seconds of `config.seconds` that were spent before the first step, on timing.
    watch : ThreadsWatch, optional
        Changes the number of threads when the pace has fallen.

    Attributes
    ----------
    method : Method
        The training method, with the networks that are trained.
    networks : nn.ModuleDict
        The networks that the run keeps: those of the method, or with `config.average` the averages
        of their weights.
    progress : Progress
        How far the training has come.
    """

    def __init__(
        self,
        out: OwnFolder,
        config: ResolvedConfig,
        collection: Collection,
        reporter: Reporter,
        elapsed: float = 0.0,
        watch: ThreadsWatch | None = None,
    ) -> None:
        self.method = build_method(config, collection)
        self.progress = Progress(fingerprint=collection.fingerprint, elapsed=elapsed)
        self._out, self._config, self._collection = out, config, collection
        self._reporter, self._watch = reporter, watch
        self._device = torch.device(config.device)
        self._optimizer = build_optimizer(self.method.networks, config)
        self.networks, self._saved = self.method.networks, self.method.networks
        self._average = None
        if config.average is not None:
            self._average = Average(self.method.networks, config.average)
            self.networks = self._average.networks
            self._saved = nn.ModuleDict({**self.method.networks, "average": self.networks})
        if config.compile:
            compile_networks(self.method.networks)
        self._held_out = held_out(len(collection), config)
        self._epoch_steps = (len(collection) - len(self._held_out)) // config.batch_size
        self._monitor = EpochMonitor(self.networks, collection, self._held_out, config, reporter)
        seconds = config.seconds if world().size == 1 else None  # many would not agree
        self._pace = Pace(self._planned_steps, seconds)
        self._warned_of_time, self._first_step, self._last_rate = False, 0, 0.0
        self._saved_at = self._drawn_at = time.monotonic()

    @property
    def _planned_steps(self) -> int:
        return self._config.epochs * self._epoch_steps

    def load_initial(self) -> None:
        """Load the weights that `config.init` names, if any.

        Raises
        ------
        UsageError
            If there are none, or they belong to another encoder.
        """
        load_initial(self.method.networks, self._config)
        self._update_average(0)

    def begin_album(self) -> None:
        """Write what the network sees, for people; see `album`."""
        with uncompiled() if self._config.compile else nullcontext():
            self._monitor.begin(self._out, fresh=self.progress.step == 0)

    def restore(self) -> None:
        """Load the last checkpoint of the run.

        Raises
        ------
        UsageError
            If the checkpoint is damaged, or belongs to other networks.
        """
        self.progress = load_checkpoint(self._out / CHECKPOINT, self._saved, self._optimizer)

    def restore_best(self) -> None:
        """Load the weights of the best epoch, if `config.patience` is set."""
        if self._config.patience is not None and (self._out / BEST).exists():
            load_checkpoint(self._out / BEST, self._saved, self._optimizer)

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train to the end, or until `stop` returns True between two steps.

        Returns
        -------
        bool
            Whether the end was reached. A checkpoint is written in either case.
        """
        self.method.networks.train()
        self._first_step = self.progress.step
        self._pace.start(self.progress.step, self.progress.elapsed, self.progress.schedule)
        with self._reporter.task("Training", self._pace.schedule.end - self.progress.step, "steps"):
            # Patience is checked first: the run may have been killed right after its last epoch.
            while self.progress.step < self._pace.schedule.end and not self._patience_exhausted():
                if not self._epoch(stop):
                    return False
            if self._patience_exhausted():
                self._reporter.message(self._early_stop_message())
        return True

    def _epoch(self, stop: Callable[[], bool]) -> bool:
        """Train the rest of the current epoch; False if it was stopped before its end."""
        tally = Tally(self.progress, self._device)
        noted_at = 0.0
        with closing(self._batches()) as coming:
            for batch in tally.timed(coming):
                late = time.monotonic() - self._saved_at >= 60 * self._config.checkpoint_minutes
                stopping = self._all_stop(stop)
                if stopping or late:
                    self._save(tally)
                if stopping:
                    return False
                objective = self._step(batch)
                tally.add(objective)
                self._keep_time()
                self._watch_pace(batch)
                note = ""
                if time.monotonic() - noted_at >= _NOTE_SECONDS:
                    note, noted_at = self._note(objective, tally), time.monotonic()
                self._reporter.advance(note=note)
                if self.progress.step >= self._pace.schedule.end:
                    break
        self._finish_epoch(tally)
        return True

    def _batches(self) -> Generator[Batch]:
        """The batches of the current epoch that have not been trained on."""
        config = self._config
        order = epoch_order(len(self._collection), config.seed, self.progress.epoch)
        order = order[~torch.isin(order, self._held_out)]
        skip = self.progress.step - self.progress.epoch * self._epoch_steps
        side = view_side_at(
            int(self._pace.schedule.at(self.progress.step) / self._epoch_steps),
            first=config.grow_from,
            full=config.image_size,
            total_epochs=config.epochs,
        )
        return batches(self._collection, order, config.batch_size, side, self._device, skip)

    def _all_stop(self, stop: Callable[[], bool]) -> bool:
        """Whether to stop: if one process is to stop, all stop at the same step."""
        if world().size == 1:
            return stop()
        due = self.progress.step % _AGREE_STEPS == 0  # on CUDA, an agreement waits for the device
        return due and any_of_all(stop(), self._device)

    def _step(self, batch: Batch) -> Objective:
        step = self.progress.step
        generator = generator_for(self._config.seed, "step", step)
        with explain_compile_errors() if self._config.compile else nullcontext():
            self._last_rate = self._rate(step)
            objective = take_step(self.method, self._optimizer, batch, self._last_rate, generator)
        self._update_average(step)
        self.progress = replace(self.progress, step=step + 1)
        return objective

    def _update_average(self, step: int) -> None:
        if self._average is not None:
            self._average.update(self.method.networks, step)

    def _rate(self, step: int) -> float:
        config = self._config
        return learning_rate_at(
            self._pace.schedule.at(step),
            peak=config.learning_rate,
            warmup_steps=round(config.warmup_epochs * self._epoch_steps),
            total_steps=self._planned_steps,
        )

    def _save(self, tally: Tally | None = None) -> None:
        """Write a checkpoint; in the middle of an epoch, with the sums over its steps."""
        if tally is not None:
            loss = float(tally.loss)
            require_finite_loss(loss, self._out, self.progress.step)
            self.progress = replace(
                self.progress,
                loss_sum=loss,
                accuracy_sum=float(tally.accuracy),
                seconds=tally.seconds,
                waited=tally.waited,
            )
        require_finite_weights(self._saved, self._out, self.progress.step)
        self.progress = replace(
            self.progress, elapsed=self._pace.elapsed, schedule=self._pace.schedule
        )
        if world().first:
            path = self._out / CHECKPOINT
            save_checkpoint(path, self._saved, self._optimizer, self.progress)
        self._saved_at = time.monotonic()

    def _finish_epoch(self, tally: Tally) -> None:
        """Write the row of the epoch, and then, if one is due, the checkpoint.

        In this order, a crash between the two leaves a row too many, which resuming removes, and
        never one too few.
        """
        config, epoch = self._config, self.progress.epoch + 1
        last = self.progress.step >= self._pace.schedule.end
        require_finite_loss(float(tally.loss), self._out, self.progress.step)
        require_finite_weights(self._saved, self._out, self.progress.step)
        seconds = tally.seconds
        if world().first:
            with uncompiled() if config.compile else nullcontext():
                self._write_row(epoch, tally, seconds, last=last)
        self.progress = Progress(
            epoch=epoch,
            step=self.progress.step,
            total_seconds=self.progress.total_seconds + seconds,
            fingerprint=self.progress.fingerprint,
        )
        self._save_if_best()
        due = epoch % config.checkpoint_every == 0 or last
        if due or self._patience_exhausted():
            self._save()
        if world().first and time.monotonic() - self._drawn_at >= _CURVES_SECONDS:
            self._drawn_at = time.monotonic()
            draw_curves(read_metrics(self._out / METRICS), self._out / CURVES)

    def _write_row(self, epoch: int, tally: Tally, seconds: float, *, last: bool) -> None:
        measured = self._monitor.measure(epoch, self._out, self.progress.step, last=last)
        steps = self.progress.step - self.progress.epoch * self._epoch_steps
        row = Row(
            epoch=epoch,
            step=self.progress.step,
            images=len(self._collection),
            loss=float(tally.loss) / steps,
            learning_rate=self._last_rate,
            contrastive_accuracy=float(tally.accuracy) / steps,
            images_per_second=steps * self._config.batch_size / seconds,
            data_wait=tally.waited / seconds,
            seconds=seconds,
            knn_accuracy=measured.knn_accuracy,
            effective_rank=measured.spread.effective_rank,
            mean_cosine=measured.spread.mean_cosine,
            held_out_loss=measured.held_out_loss,
            time_over=last and self._pace.schedule.shortened,
        )
        append_row(self._out / METRICS, row)

    def _save_if_best(self) -> None:
        """Save the weights if the loss on held-out images is the lowest so far.

        This comes before the checkpoint, so that a resumed run never lacks the best weights.
        """
        if self._config.patience is None:
            return
        if best_epoch(read_metrics(self._out / METRICS)) == self.progress.epoch:
            save_checkpoint(self._out / BEST, self._saved, self._optimizer, self.progress)

    def _patience_exhausted(self) -> bool:
        patience = self._config.patience
        if patience is None:
            return False
        return patience_exhausted(read_metrics(self._out / METRICS), patience)

    def _early_stop_message(self) -> str:
        best = best_epoch(read_metrics(self._out / METRICS))
        return (
            f"Stopping after epoch {self.progress.epoch}: the {len(self._held_out):,} pictures "
            f"held out were told apart best after epoch {best}, whose weights are kept."
        )

    def _keep_time(self) -> None:
        """Revise the schedule if time is short, and say so once if it is much shorter."""
        if not self._pace.keep(self.progress.step):
            return
        schedule = self._pace.schedule
        self._reporter.revise(schedule.end - self._first_step)
        if schedule.end < 0.8 * schedule.planned and not self._warned_of_time:
            self._warned_of_time = True
            self._reporter.message(
                f"Slower than when it was timed: about {schedule.end / self._epoch_steps:,.1f} "
                f"epochs fit into the time, not {self._config.epochs:,}. Other programs may keep "
                "the processor busy. The learning rate falls the sooner."
            )

    def _watch_pace(self, batch: Batch) -> None:
        """Change the number of threads if the pace has fallen, and say so."""
        text = self._watch.step(batch.view_side**2 * len(batch.pixels)) if self._watch else ""
        if text:
            self._reporter.message(text)

    def _note(self, objective: Objective, tally: Tally) -> str:
        """The line of progress: epoch, loss and speed."""
        loss = float(objective.loss)
        require_finite_loss(loss, self._out, self.progress.step)
        done = self.progress.step - self.progress.epoch * self._epoch_steps
        speed = done * self._config.batch_size / tally.seconds
        return (
            f"epoch {self.progress.epoch + 1}/{self._config.epochs} · "
            f"loss {loss:.2f} · {speed:,.0f} images/s · "
            f"wait {tally.waited / tally.seconds:.0%}"
        )
