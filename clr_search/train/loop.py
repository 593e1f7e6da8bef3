"""`train`: from images on disk to a run folder, once, or on from where it was cut off."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.find import ImageFile, find_images
from clr_search.files.left_out import LeftOut
from clr_search.files.write import refuse_existing, write_atomically
from clr_search.progress import Reporter, Silent
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.data.collection import Collection, resident
from clr_search.train.data.decode import CACHE, decode_collection, remove_cache, typical_side
from clr_search.train.distributed import joined, wait_for_all, world
from clr_search.train.hardware import choose_device, numbered, tuned_for
from clr_search.train.interruption import Interruption
from clr_search.train.methods.supervised import require_classes
from clr_search.train.monitor.curves import CURVES, draw_curves
from clr_search.train.monitor.heldout import count_held_out
from clr_search.train.monitor.metrics import (
    METRICS,
    Totals,
    patience_exhausted,
    read_metrics,
    totals,
    truncate,
)
from clr_search.train.network.initial import WEIGHTS, absolute_init, require_same_encoder
from clr_search.train.optimization.budget import epochs_for
from clr_search.train.run import CONFIG, load_config, write_config, write_weights
from clr_search.train.settings.advice import summary, warnings
from clr_search.train.settings.choices import MIN_IMAGES, resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig, difference
from clr_search.train.trainer import Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult(Totals):
    """What a training came to: the totals of its run, over all starts, and this.

    Attributes
    ----------
    run : Path
        The run's folder.
    interrupted : bool
        Whether a signal stopped it before the end.
    skipped : list of (Path, str)
        Files that could not be decoded, and folders that could not be listed, and why.
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
) -> TrainResult:
    """Train an encoder without labels.

    SIGINT or SIGTERM let the step in hand finish, save, and return; a second one aborts. On a
    processor, a run that was cut off and resumed ends with the very same weights as one that was
    not. Under ``torchrun`` all processes train as one, of which the first writes and reports; see
    `distributed`.

    Parameters
    ----------
    images : sequence of path
        Folders and files.
    out : Path
        The run's folder.
    config : TrainConfig
        Settings.
    resume : bool
        Go on with the run in `out`; its settings, the device apart, and its images must be the
        same.
    force : bool
        Replace the run in `out`.
    reporter : Reporter, optional
        Is told the progress.

    Raises
    ------
    UsageError
        If images or run are missing, `out` exists, settings or images changed, or there are fewer
        than 8 usable images.
    """
    with joined(choose_device(config.device)) as processes:
        reporter = reporter if reporter and processes.first else Silent()
        left_out = LeftOut()
        files = find_images(images, left_out)
        for line in left_out.told():
            reporter.message(line)
        result = _train(files, Path(out), config, resume, force, reporter)
        return replace(result, skipped=[*left_out.skipped(), *result.skipped])


def _train(
    files: list[ImageFile],
    out: Path,
    config: TrainConfig,
    resume: bool,
    force: bool,
    reporter: Reporter,
) -> TrainResult:
    if resume:
        stored = _stored(out, config, len(files))
        if _is_finished(out, stored):
            epochs = f"{stored.epochs} epochs" if stored.epochs > 1 else "one epoch"
            reporter.message(f"{out} has had all its {epochs} already.")
            return _result(out, [], interrupted=False)
        _require_fit_for_many(stored, resume=True)
        collection = _decode_once(files, stored, out, reporter)
    else:
        _require_fit_for_many(config, resume=False)
        stored, collection = _begin_once(files, out, config, force, reporter)
    stored = _on(config.device, stored)
    with tuned_for(stored.device), Interruption() as interruption:
        trainer = Trainer(out, stored, resident(collection, stored.device), reporter)
        if not (resume and (out / CHECKPOINT).is_file()):
            trainer.load_initial()
        if resume:
            _restore(trainer, collection, out, reporter)
            wait_for_all()
            if world().first:  # what an interruption left is out of date from here on
                (out / WEIGHTS).unlink(missing_ok=True)
        finished = trainer.run(lambda: interruption.requested)
    if finished:
        trainer.restore_best()
    if world().first:
        _write(out, stored, trainer, finished=finished)
    wait_for_all()
    return _result(out, collection.skipped, interrupted=not finished)


def _write(out: Path, config: ResolvedConfig, trainer: Trainer, *, finished: bool) -> None:
    """Leave what a training leaves, at its end or where it was stopped."""
    write_weights(out, config, trainer.networks)
    rows = read_metrics(out / METRICS)
    if rows:
        draw_curves(rows, out / CURVES)
    if finished:
        remove_cache(out / CACHE)


def _require_fit_for_many(config: TrainConfig, *, resume: bool) -> None:
    """Refuse what several processes cannot do; in all of them, so that none waits for another."""
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


def _begin_once(
    files: list[ImageFile], out: Path, config: TrainConfig, force: bool, reporter: Reporter
) -> tuple[ResolvedConfig, Collection]:
    """As `_begin`; of several processes the first begins, and the others read what it has left."""
    if world().first:
        _make_room(out, force=force)
        begun = _begin(files, out, config, reporter)
        wait_for_all()
        return begun
    wait_for_all()
    stored = load_config(out)
    return stored, _decode(files, stored, out, reporter)


def _begin(
    files: list[ImageFile], out: Path, config: TrainConfig, reporter: Reporter
) -> tuple[ResolvedConfig, Collection]:
    """Decode, choose what was left open, and write `config.json`: from then on it is a run."""
    if world().size > 1:
        config = replace(config, cache="mmap")  # which all of them map
    config = replace(config, init=absolute_init(config.init))
    epochs = config.epochs or 1
    side = typical_side(files)
    planned = resolve(replace(config, epochs=epochs), max(len(files), MIN_IMAGES), side)
    require_same_encoder(planned)
    collection = _decode(files, planned, out, reporter)
    if config.method == "supervised":
        require_classes(collection)  # before anything is written
    settled = replace(config, cache=planned.cache, cache_size=planned.cache_size)
    if config.epochs is None and config.seconds is not None:
        trial = resolve(replace(settled, epochs=1), len(collection))
        trial = _on(trial.device, trial)
        with tuned_for(trial.device):
            epochs = epochs_for(config.seconds, trial, resident(collection, trial.device))
        reporter.message(f"Epochs chosen to take about {config.seconds:,.0f} seconds: {epochs}.")
        settled = replace(settled, epochs=epochs)
    resolved = resolve(settled, len(collection) - count_held_out(len(collection), config))
    reporter.message(summary(resolved, len(collection)))
    for text in warnings(config, resolved, len(collection)):
        reporter.message(f"Warning: {text}")
    write_atomically(out / METRICS, "")
    write_config(out, resolved)
    return resolved, collection


def _on(device: str, config: ResolvedConfig) -> ResolvedConfig:
    """The same on the device asked for now, numbered as this process' own.

    `config.json` names what the run was begun on; each start may be on another.
    """
    return replace(config, device=numbered(choose_device(device)))


def _decode_once(
    files: list[ImageFile], config: ResolvedConfig, out: Path, reporter: Reporter
) -> Collection:
    """As `_decode`; of several processes the first decodes, and the others map what it has left."""
    if not world().first:
        wait_for_all()
    collection = _decode(files, config, out, reporter)
    if world().first:
        wait_for_all()
    return collection


def _decode(
    files: list[ImageFile], config: ResolvedConfig, out: Path, reporter: Reporter
) -> Collection:
    collection = decode_collection(files, config.cache_size, config.cache, out / CACHE, reporter)
    if collection.skipped:
        path, reason = collection.skipped[0]
        reporter.message(
            f"Left out: {len(collection.skipped)} of {len(files)} files. {path}: {reason}"
        )
    if len(collection) < MIN_IMAGES:
        raise UsageError(
            f"Training needs at least {MIN_IMAGES} usable images; there are {len(collection)}.",
            "Give more images or folders.",
        )
    return collection


def _stored(out: Path, config: TrainConfig, files_count: int) -> ResolvedConfig:
    """The settings of the run in `out`, which those asked for must agree with."""
    stored, rows = load_config(out), read_metrics(out / METRICS)
    usable = rows[-1]["images"] if rows else files_count
    asked = replace(config, init=absolute_init(config.init))
    trained_on = usable - count_held_out(usable, stored)
    if (asked.batch_size or 0) > stored.batch_size == trained_on:  # `resolve` has made it smaller
        asked = replace(asked, batch_size=None)
    changed = difference(asked, stored)
    if changed:
        raise UsageError(
            f"{out} cannot be resumed with other settings: {'; '.join(changed)}.",
            "Resume with the settings it was begun with, or choose another --out.",
        )
    return stored


def _is_finished(out: Path, config: ResolvedConfig) -> bool:
    rows = read_metrics(out / METRICS)
    ended = bool(rows) and (
        rows[-1]["epoch"] == config.epochs or patience_exhausted(rows, config.patience)
    )
    return ended and (out / WEIGHTS).is_file()


def _restore(trainer: Trainer, collection: Collection, out: Path, reporter: Reporter) -> None:
    """Go to the last checkpoint, or, if the run was cut off before the first, stay at its start."""
    if (out / CHECKPOINT).is_file():
        trainer.restore()
    progress = trainer.progress
    if progress.fingerprint != collection.fingerprint:
        raise UsageError(
            f"{out} cannot be resumed: its images are not those it was begun with.",
            "Bring them back, or train anew with another --out.",
        )
    if world().first:
        truncate(out / METRICS, progress.epoch)
    reporter.message(f"Going on after epoch {progress.epoch}, step {progress.step}.")


def _make_room(out: Path, *, force: bool) -> None:
    """Refuse an output that exists, or with `force` remove the run in it, and nothing else."""
    if out.is_file():
        raise UsageError(f"{out} is a file, and a run is a folder.", "Choose another --out.")
    leftovers = {CACHE}  # of a training that was cut off while it decoded
    if out.is_dir() and {path.name for path in out.iterdir()} <= leftovers:
        return
    refuse_existing(out, force=force)
    for name in (CONFIG, WEIGHTS, METRICS, CURVES):
        (out / name).unlink(missing_ok=True)
    for folder in (CHECKPOINT.parent, Path(CACHE)):
        shutil.rmtree(out / folder, ignore_errors=True)


def _result(out: Path, skipped: list[tuple[Path, str]], *, interrupted: bool) -> TrainResult:
    total = totals(read_metrics(out / METRICS))
    return TrainResult(**asdict(total), run=out, interrupted=interrupted, skipped=skipped)
