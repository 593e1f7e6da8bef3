"""`train`: from images on disk to a run, from its beginning or from its last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from clr_search.cores import limited_cores
from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import DEFAULT, Selection
from clr_search.files.own import OwnFolder
from clr_search.progress import Reporter, Silent
from clr_search.train.begin import begin_in_turn, decode_in_turn, with_device
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.data.collection import Collection, resident
from clr_search.train.data.decode import remove_cache
from clr_search.train.distributed import joined, wait_for_all, world
from clr_search.train.hardware import choose_device, tuned_for
from clr_search.train.interruption import Interruption
from clr_search.train.monitor.album import truncate_neighbours
from clr_search.train.monitor.curves import CURVES, draw_curves
from clr_search.train.monitor.health import DivergedError
from clr_search.train.monitor.metrics import METRICS, Totals, read_metrics, totals, truncate
from clr_search.train.network.initial import WEIGHTS
from clr_search.train.resume import is_finished, restore, stored_settings
from clr_search.train.run import opened, write_weights
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.threads import ThreadsWatch, using_threads
from clr_search.train.trainer import Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult(Totals):
    """The result of `train`: the totals of the run, over all its starts, and the following.

    Attributes
    ----------
    run : Path
        The folder of the run.
    interrupted : bool
        Whether a signal stopped the training before its end.
    skipped : list of (Path, str)
        Files that could not be decoded and folders that could not be listed, each with the reason.
    """

    run: Path
    interrupted: bool
    skipped: list[tuple[Path, str]]


def train(
    images: Sequence[Path | str],
    out: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
    selection: Selection = DEFAULT,
) -> TrainResult:
    """Train an encoder without labels.

    After SIGINT or SIGTERM the current step is finished, a checkpoint is written, and the function
    returns; a second signal aborts. On a processor, a run that was interrupted and resumed ends
    with exactly the weights of one that was not. Under ``torchrun``, all processes train as one, of
    which the first writes and reports; see `distributed`.

    Parameters
    ----------
    images : sequence of path
        Folders, which are searched for images, and files.
    out : Path
        The folder of the run.
    config : TrainConfig
        Settings.
    resume : bool
        Whether to resume the run in `out`. Its settings, except for the device, and its images must
        be the same.
    force : bool
        Whether to replace the run in `out`.
    reporter : Reporter, optional
        Receives the progress.
    selection : Selection
        Which files of folders are taken; for a run that is resumed, the same.

    Returns
    -------
    TrainResult
        The totals of the run, and whether it was interrupted.

    Raises
    ------
    UsageError
        If there are no images or fewer than 8 usable ones, `out` exists (without `force`) or is no
        run (with `resume`), or settings or images of a resumed run differ.
    ClrSearchError
        If the training diverges, or the disk is full.
    """
    with (
        joined(choose_device(config.device)) as processes,
        using_threads(config.threads or _within_quota()),
    ):
        reporter = reporter if reporter and processes.first else Silent()
        left_out = LeftOut()
        files = find_images(images, left_out, selection)
        for line in left_out.told(options=True):
            reporter.message(line)
        result = _train(files, Path(out), config, resume, force, reporter)
        return replace(result, skipped=[*left_out.skipped(), *result.skipped])


def _within_quota() -> int | None:
    """The threads of torch within the quota of a container, which torch itself does not know."""
    cores = limited_cores()
    return None if cores is None else min(cores, torch.get_num_threads())


def _train(
    files: list[ImageFile],
    out: Path,
    config: TrainConfig,
    resume: bool,
    force: bool,
    reporter: Reporter,
) -> TrainResult:
    most_threads = torch.get_num_threads()
    if resume:
        folder = opened(out)
        settings = stored_settings(folder, config, len(files))
        if is_finished(folder, settings):
            reporter.message(f"{out} has been trained to its end already.")
            return _result(folder, [], interrupted=False)
        _require_fit_for_many(settings, resume=True)
        collection, timing = decode_in_turn(files, settings, folder, reporter), 0.0
    else:
        _require_fit_for_many(config, resume=False)
        begun = begin_in_turn(files, out, config, force, reporter)
        folder, settings, collection, timing = begun
    settings = with_device(config.device, settings)
    watch = None
    if config.threads is None and settings.device == "cpu" and world().size == 1:
        watch = ThreadsWatch(settings, most_threads)
    threads = config.threads or settings.timed_threads
    with tuned_for(settings.device), using_threads(threads), Interruption() as interruption:
        images = resident(collection, settings.device)
        trainer = Trainer(folder, settings, images, reporter, timing, watch)
        _prepare(trainer, collection, folder, resume, reporter)
        try:
            finished = trainer.run(lambda: interruption.requested)
        except DivergedError:
            if world().first:
                _keep_last_good(folder, settings, trainer, reporter)
            raise
    if finished:
        trainer.restore_best()
    if world().first:
        _write(folder, settings, trainer, finished=finished)
    wait_for_all()
    return _result(folder, collection.skipped, interrupted=not finished)


def _prepare(
    trainer: Trainer, collection: Collection, out: OwnFolder, resume: bool, reporter: Reporter
) -> None:
    """Load the weights that the training begins with, or the checkpoint from which it goes on."""
    if not (resume and (out / CHECKPOINT).exists()):
        trainer.load_initial()
    if resume:
        restore(trainer, collection, out, reporter)
        wait_for_all()
        if world().first:  # the weights that the interruption left are out of date from here on
            (out / WEIGHTS).delete()
    if world().first:
        trainer.begin_album()


def _write(out: OwnFolder, config: ResolvedConfig, trainer: Trainer, *, finished: bool) -> None:
    """Write weights and curves, at the end of a training or where it was interrupted.

    A training that was interrupted in its first epoch has a checkpoint but no weights, so that
    nothing can be exported as if it were trained.
    """
    rows = read_metrics(out / METRICS)
    if rows:
        write_weights(out, config, trainer.networks)
        draw_curves(rows, out / CURVES)
    if finished:
        remove_cache(out)


def _keep_last_good(
    out: OwnFolder, config: ResolvedConfig, trainer: Trainer, reporter: Reporter
) -> None:
    """Write the weights of the last good checkpoint of a training that has diverged, if any."""
    if (out / CHECKPOINT).exists():
        trainer.restore()
        truncate(out / METRICS, trainer.progress.epoch)
        truncate_neighbours(out, trainer.progress.epoch)
        _write(out, config, trainer, finished=False)
        if trainer.progress.epoch:
            reporter.message(f"{out} keeps the weights after epoch {trainer.progress.epoch}.")


def _require_fit_for_many(config: TrainConfig, *, resume: bool) -> None:
    """Refuse what several processes cannot do, in all of them, so that none waits for another."""
    if world().size == 1:
        return
    if config.epochs is None and config.seconds is not None:
        raise UsageError(
            "Several processes cannot agree on how many epochs fit into a time.",
            "Give the number of epochs.",
        )
    if config.patience is not None:
        raise UsageError(
            "Several processes cannot stop early.",
            "Go on with it in one process."
            if resume
            else "Leave out --patience, or take one process.",
        )


def _result(out: OwnFolder, skipped: list[tuple[Path, str]], *, interrupted: bool) -> TrainResult:
    total = totals(read_metrics(out / METRICS))
    return TrainResult(**asdict(total), run=out.path, interrupted=interrupted, skipped=skipped)
