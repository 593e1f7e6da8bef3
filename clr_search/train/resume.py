"""Resuming a run: its settings and images must be those it was begun with."""

from __future__ import annotations

from dataclasses import replace

from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.progress import Reporter
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.data.collection import Collection
from clr_search.train.data.teacher import absolute_teacher
from clr_search.train.distributed import world
from clr_search.train.monitor.album import truncate_neighbours
from clr_search.train.monitor.heldout import count_held_out
from clr_search.train.monitor.metrics import (
    METRICS,
    is_last,
    patience_exhausted,
    read_metrics,
    truncate,
)
from clr_search.train.network.initial import WEIGHTS, absolute_init
from clr_search.train.run import load_config
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig, difference
from clr_search.train.trainer import Trainer


def stored_settings(out: OwnFolder, config: TrainConfig, files_count: int) -> ResolvedConfig:
    """The settings of the run in `out`, after checking that `config` agrees with them.

    Parameters
    ----------
    out : OwnFolder
        The folder of the run.
    config : TrainConfig
        The settings that are asked for now; those left open agree with any.
    files_count : int
        Number of image files.

    Raises
    ------
    UsageError
        If there is no run in `out`, or it has other settings.
    """
    stored, rows = load_config(out), read_metrics(out / METRICS)
    usable = rows[-1]["images"] if rows else files_count
    requested = replace(
        config, init=absolute_init(config.init), teacher=absolute_teacher(config.teacher)
    )
    trained_on = usable - count_held_out(usable, stored)
    # A batch larger than the collection was reduced by `resolve`, and is no difference.
    if (requested.batch_size or 0) > stored.batch_size == trained_on:
        requested = replace(requested, batch_size=None)
    changed = difference(requested, stored)
    if changed:
        raise UsageError(
            f"{out} cannot be resumed with other settings: {'; '.join(changed)}.",
            "Resume with the settings it was begun with, or choose another --out.",
        )
    return stored


def is_finished(out: OwnFolder, config: ResolvedConfig) -> bool:
    """Whether the run has reached its last epoch, or stopped early, and has its weights."""
    rows = read_metrics(out / METRICS)
    if not rows:
        return False
    ended = is_last(rows[-1], config.epochs) or patience_exhausted(rows, config.patience)
    return ended and (out / WEIGHTS).exists()


def restore(trainer: Trainer, collection: Collection, out: OwnFolder, reporter: Reporter) -> None:
    """Load the last checkpoint; a run that was killed before its first one starts again.

    Raises
    ------
    UsageError
        If the checkpoint is damaged, or the images differ.
    """
    if (out / CHECKPOINT).exists():
        trainer.restore()
    progress = trainer.progress
    if progress.fingerprint != collection.fingerprint:
        raise UsageError(
            f"{out} cannot be resumed: its images are not those it was begun with.",
            "Bring them back, or train anew with another --out.",
        )
    if world().first:
        truncate(out / METRICS, progress.epoch)
        truncate_neighbours(out, progress.epoch if progress.step else -1)
    reporter.message(f"Going on after epoch {progress.epoch}, step {progress.step}.")
