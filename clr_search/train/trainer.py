"""The steps of a training, from wherever it stands to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from clr_search.progress import Reporter
from clr_search.train.checkpoint import BEST, CHECKPOINT, Progress, load_checkpoint, save_checkpoint
from clr_search.train.data.batches import Batch, batches
from clr_search.train.data.collection import Collection
from clr_search.train.distributed import any_of_all, sum_gradients, world
from clr_search.train.losses.objective import Objective
from clr_search.train.methods import Method, build_method
from clr_search.train.monitor.curves import CURVES, draw_curves
from clr_search.train.monitor.evaluate import features, knn_accuracy, measurable
from clr_search.train.monitor.health import LOOKED_AT, Spread, require_finite, spread
from clr_search.train.monitor.heldout import held_out, held_out_loss
from clr_search.train.monitor.metrics import (
    METRICS,
    Row,
    append_row,
    best_epoch,
    had_enough,
    read_metrics,
)
from clr_search.train.network.average import Average
from clr_search.train.network.compiled import as_they_are, compile_networks, explained
from clr_search.train.network.initial import load_initial
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.schedule import learning_rate_at, view_side_at
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig

_NOTE_SECONDS = 0.5  # reading a loss makes a GPU wait, so it is read only so often
_AGREE_STEPS = 8
_CURVES_SECONDS = 120.0  # drawing takes half a second; at the end, `train` draws in any case


def take_step(
    method: Method,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    generator: torch.Generator,
) -> Objective:
    """One step of gradient descent; what it returns is not yet read from the device."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    objective = method.accumulate(batch, generator)
    sum_gradients(method.networks.parameters())
    optimizer.step()
    return objective


class _Tally:
    """What the epoch in hand adds up to; the sums stay on the device until they are read."""

    def __init__(self, progress: Progress, device: torch.device) -> None:
        self.loss = torch.tensor(progress.loss_sum, device=device)
        self.accuracy = torch.tensor(progress.accuracy_sum, device=device)
        self.waited = progress.waited
        self._began = time.monotonic() - progress.seconds

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def add(self, objective: Objective) -> None:
        self.loss += objective.loss
        self.accuracy += objective.accuracy

    def waiting_for(self, coming: Iterator[Batch]) -> Iterator[Batch]:
        """Hand on batches, and note how long each was waited for."""
        while True:
            asked = time.monotonic()
            batch = next(coming, None)
            self.waited += time.monotonic() - asked
            if batch is None:
                return
            yield batch


class Trainer:
    """A run at work: networks, optimizer, and how far it is.

    Parameters
    ----------
    out : Path
        The run's folder.
    config : ResolvedConfig
        Its settings.
    collection : Collection
        What it learns from.
    reporter : Reporter
        Is told the progress.

    Attributes
    ----------
    method : Method
        With its networks.
    networks : nn.ModuleDict
        Those that it leaves: the method's, or with `config.average` the averages of their weights.
    progress : Progress
        How far it is.
    """

    def __init__(
        self, out: Path, config: ResolvedConfig, collection: Collection, reporter: Reporter
    ) -> None:
        self.method = build_method(config, collection)
        self.progress = Progress(fingerprint=collection.fingerprint)
        self._out, self._config, self._collection = out, config, collection
        self._reporter = reporter
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
        self._measured = measurable(collection, config.seed) if config.knn_every else None
        self._watched = epoch_order(len(collection), config.seed, -1)[:LOOKED_AT]
        self._warned = self._called_late = False
        self._saved_at = self._drawn_at = time.monotonic()

    def load_initial(self) -> None:
        """Take the weights of `config.init`, if any."""
        load_initial(self.method.networks, self._config)
        self._take_in(0)

    def restore(self) -> None:
        """Go to where the run's last checkpoint stands."""
        self.progress = load_checkpoint(self._out / CHECKPOINT, self._saved, self._optimizer)

    def restore_best(self) -> None:
        """Take the weights of the best epoch, where `config.patience` has had them kept."""
        if self._config.patience is not None and (self._out / BEST).is_file():
            load_checkpoint(self._out / BEST, self._saved, self._optimizer)

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train to the end, or until `stop` says so between two steps.

        Returns
        -------
        bool
            Whether the end was reached. Either way a checkpoint is left.
        """
        self.method.networks.train()
        total = self._config.epochs * self._epoch_steps
        with self._reporter.task("Training", total - self.progress.step, "steps"):
            # Asked first: a run may have been killed when it had had enough, and is gone on with.
            while self.progress.epoch < self._config.epochs and not self._had_enough():
                if not self._epoch(stop):
                    return False
            if self._had_enough():
                self._reporter.message(self._why_enough())
        return True

    def _epoch(self, stop: Callable[[], bool]) -> bool:
        """Train the rest of the epoch in hand; False if stopped before its end."""
        config, tally = self._config, _Tally(self.progress, self._device)
        order = epoch_order(len(self._collection), config.seed, self.progress.epoch)
        order = order[~torch.isin(order, self._held_out)]
        skip = self.progress.step - self.progress.epoch * self._epoch_steps
        side = view_side_at(
            self.progress.epoch,
            first=config.grow_from,
            full=config.image_size,
            total_epochs=config.epochs,
        )
        coming = batches(self._collection, order, config.batch_size, side, self._device, skip)
        noted = 0.0
        with closing(coming):
            for batch in tally.waiting_for(coming):
                late = time.monotonic() - self._saved_at >= 60 * config.checkpoint_minutes
                stopping = self._all_stop(stop)
                if stopping or late:
                    self._save(tally)
                if stopping:
                    return False
                objective = self._step(batch)
                tally.add(objective)
                note = ""
                if time.monotonic() - noted >= _NOTE_SECONDS:
                    note, noted = self._note(objective, tally), time.monotonic()
                self._reporter.advance(note=note)
        self._finish_epoch(tally)
        return True

    def _all_stop(self, stop: Callable[[], bool]) -> bool:
        """Whether to stop here: what any process was asked, all do, at the same step."""
        if world().size == 1:
            return stop()
        due = self.progress.step % _AGREE_STEPS == 0  # on CUDA, agreeing waits for the device
        return due and any_of_all(stop(), self._device)

    def _step(self, batch: Batch) -> Objective:
        step = self.progress.step
        generator = generator_for(self._config.seed, "step", step)
        with explained() if self._config.compile else nullcontext():
            objective = take_step(self.method, self._optimizer, batch, self._rate(step), generator)
        self._take_in(step)
        self.progress = replace(self.progress, step=step + 1)
        return objective

    def _take_in(self, step: int) -> None:
        if self._average is not None:
            self._average.update(self.method.networks, step)

    def _rate(self, step: int) -> float:
        config = self._config
        return learning_rate_at(
            step,
            peak=config.learning_rate,
            warmup_steps=round(config.warmup_epochs * self._epoch_steps),
            total_steps=config.epochs * self._epoch_steps,
        )

    def _save(self, tally: _Tally | None = None) -> None:
        if tally is not None:
            loss = float(tally.loss)
            require_finite(loss, self._out, self.progress.step)
            self.progress = replace(
                self.progress,
                loss_sum=loss,
                accuracy_sum=float(tally.accuracy),
                seconds=tally.seconds,
                waited=tally.waited,
            )
        if world().first:
            path = self._out / CHECKPOINT
            save_checkpoint(path, self._saved, self._optimizer, self.progress)
        self._saved_at = time.monotonic()

    def _finish_epoch(self, tally: _Tally) -> None:
        """Write the epoch's row, then, where one is due, the checkpoint.

        In this order, a crash between the two leaves a row too many, which resuming removes, and
        never one too few.
        """
        config, done = self._config, self.progress.epoch + 1
        loss, accuracy = float(tally.loss), float(tally.accuracy)
        require_finite(loss, self._out, self.progress.step)
        seconds = tally.seconds
        if world().first:
            with as_they_are() if config.compile else nullcontext():
                self._write_row(done, loss, accuracy, seconds, tally.waited)
        self.progress = Progress(
            epoch=done,
            step=self.progress.step,
            total_seconds=self.progress.total_seconds + seconds,
            fingerprint=self.progress.fingerprint,
        )
        self._keep_if_best()
        if done % config.checkpoint_every == 0 or done == config.epochs or self._had_enough():
            self._save()
        self._remark_on_time()
        if world().first and time.monotonic() - self._drawn_at >= _CURVES_SECONDS:
            self._drawn_at = time.monotonic()
            draw_curves(read_metrics(self._out / METRICS), self._out / CURVES)

    def _keep_if_best(self) -> None:
        """Keep these weights; before the checkpoint, so that none is left behind by a crash."""
        if self._config.patience is None:
            return
        if best_epoch(read_metrics(self._out / METRICS)) == self.progress.epoch:
            save_checkpoint(self._out / BEST, self._saved, self._optimizer, self.progress)

    def _had_enough(self) -> bool:
        patience = self._config.patience
        return patience is not None and had_enough(read_metrics(self._out / METRICS), patience)

    def _why_enough(self) -> str:
        best = best_epoch(read_metrics(self._out / METRICS))
        return (
            f"Stopping after epoch {self.progress.epoch}: the {len(self._held_out):,} pictures "
            f"held out were told apart best after epoch {best}, whose weights are kept."
        )

    def _remark_on_time(self) -> None:
        """Say once if the epochs that were chosen to fit a time will not: the machine is busy."""
        asked, config = self._config.seconds, self._config
        expected = self.progress.total_seconds / self.progress.epoch * config.epochs
        if asked is None or self._called_late or expected < 1.5 * asked:
            return
        self._called_late = True
        self._reporter.message(
            f"Slower than when it was timed: about {expected / 60:,.1f} minutes in all, not "
            f"{asked / 60:,.1f}. Other programs may keep the processor busy. Ctrl-C saves what is "
            "done."
        )

    def _write_row(
        self, done: int, loss: float, accuracy: float, seconds: float, waited: float
    ) -> None:
        config, spread = self._config, self._spread()
        row = Row(
            epoch=done,
            step=self.progress.step,
            images=len(self._collection),
            loss=loss / self._epoch_steps,
            learning_rate=self._rate(self.progress.step - 1),
            contrastive_accuracy=accuracy / self._epoch_steps,
            images_per_second=self._epoch_steps * config.batch_size / seconds,
            data_wait=waited / seconds,
            seconds=seconds,
            knn_accuracy=self._knn(done),
            effective_rank=spread.effective_rank,
            mean_cosine=spread.mean_cosine,
            held_out_loss=self._loss_held_out(),
        )
        append_row(self._out / METRICS, row)

    def _loss_held_out(self) -> float | None:
        if not len(self._held_out):
            return None
        return held_out_loss(self.networks, self._collection, self._held_out, self._config)

    def _spread(self) -> Spread:
        """Look at the spread of h; say once if it has collapsed."""
        encoder, size = self.networks["encoder"], self._config.image_size
        found = spread(features(encoder, self._collection, self._watched, size, self._device))
        if found.collapsed and not self._warned:
            self._warned = True
            self._reporter.message(
                f"All images are embedded to nearly the same vector (mean cosine "
                f"{found.mean_cosine:.3f}): they are alike, or the representation has collapsed. "
                "A lower --learning-rate or a stronger augmentation may help."
            )
        return found

    def _knn(self, epoch: int) -> float | None:
        config = self._config
        due = config.knn_every and (epoch % config.knn_every == 0 or epoch == config.epochs)
        if self._measured is None or not due:
            return None
        return measure(self.networks, self._collection, self._measured, config)

    def _note(self, objective: Objective, tally: _Tally) -> str:
        loss = float(objective.loss)
        require_finite(loss, self._out, self.progress.step)
        done = self.progress.step - self.progress.epoch * self._epoch_steps
        speed = done * self._config.batch_size / tally.seconds
        return (
            f"epoch {self.progress.epoch + 1}/{self._config.epochs} · "
            f"loss {loss:.2f} · {speed:,.0f} images/s · "
            f"wait {tally.waited / tally.seconds:.0%}"
        )


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Order of the pictures in an epoch, a random permutation, int64 [count]."""
    return torch.randperm(count, generator=generator_for(seed, "order", epoch))


def measure(
    networks: nn.ModuleDict, collection: Collection, indices: Tensor, config: ResolvedConfig
) -> float:
    """Measure kNN accuracy of h on some pictures of the collection; see `evaluate`."""
    device = torch.device(config.device)
    vectors = features(networks["encoder"], collection, indices, config.image_size, device)
    return knn_accuracy(vectors, collection.labels[indices])
