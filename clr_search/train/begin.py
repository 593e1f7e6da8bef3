"""The beginning of a run: its folder, its decoded images, and its settings.

Until `config.json` is written, the folder is no run. Of several processes, the first does the work
while the others wait, and they read the files it has written.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from clr_search.errors import UsageError
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.own import OwnFolder, temporary_of
from clr_search.files.write import refuse_existing
from clr_search.progress import Reporter
from clr_search.train.checkpoint import BEST, CHECKPOINT
from clr_search.train.data.collection import Collection, resident
from clr_search.train.data.decode import CACHE, decode_collection, remove_cache, typical_side
from clr_search.train.data.teacher import absolute_teacher, teacher_sha256, with_teacher
from clr_search.train.distributed import wait_for_all, world
from clr_search.train.hardware import choose_device, numbered, tuned_for
from clr_search.train.methods.supervised import require_classes
from clr_search.train.monitor.album import ALBUM, NEIGHBOURS, SAMPLE, VIEWS
from clr_search.train.monitor.curves import CURVES
from clr_search.train.monitor.heldout import count_held_out
from clr_search.train.monitor.metrics import METRICS
from clr_search.train.network.initial import (
    WEIGHTS,
    absolute_init,
    require_same_encoder,
    weights_sha256,
)
from clr_search.train.network.model import build_encoder
from clr_search.train.optimization.budget import epochs_for
from clr_search.train.run import CONFIG, load_config, opened, write_config
from clr_search.train.settings.advice import summary, warnings
from clr_search.train.settings.choices import MIN_IMAGES, resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm
from clr_search.train.threads import Choice, best_of, choose


class Begun(NamedTuple):
    """A run that has begun.

    Attributes
    ----------
    folder : OwnFolder
        The folder of the run.
    settings : ResolvedConfig
        The settings with all defaults chosen.
    collection : Collection
        The decoded images.
    timing : float
        Seconds that the choice of the number of epochs has taken.
    """

    folder: OwnFolder
    settings: ResolvedConfig
    collection: Collection
    timing: float = 0.0


def begin_in_turn(
    files: list[ImageFile], out: Path, config: TrainConfig, force: bool, reporter: Reporter
) -> Begun:
    """Begin a run in the first process; the other processes read its settings and its cache.

    Parameters
    ----------
    files : list of ImageFile
        The image files.
    out : Path
        The folder of the run.
    config : TrainConfig
        Settings.
    force : bool
        Whether to replace a run in `out`.
    reporter : Reporter
        Receives the progress, and warnings about settings.

    Returns
    -------
    Begun
        The folder of the run, the settings with all defaults chosen, and the decoded images.

    Raises
    ------
    UsageError
        If `out` exists (without `force`), there are too few usable images, or settings do not fit
        images or initial weights.
    """
    if world().first:
        is_new = not out.exists()
        folder = _make_room(out, force=force)
        try:
            begun = _begin(files, folder, config, reporter)
        except BaseException:
            if is_new:
                with suppress(OSError):  # it is not empty: decoded images are kept for next time
                    out.rmdir()
            raise
        wait_for_all()
        return begun
    wait_for_all()
    folder = opened(out)
    settings = load_config(folder)
    return Begun(folder, settings, _decode(files, settings, folder, reporter))


def decode_in_turn(
    files: list[ImageFile], config: ResolvedConfig, out: OwnFolder, reporter: Reporter
) -> Collection:
    """Decode the images of a resumed run in the first process; the others map its cache.

    Raises
    ------
    UsageError
        If there are too few usable images.
    """
    if not world().first:
        wait_for_all()
    collection = _decode(files, config, out, reporter, resumed=True)
    if world().first:
        wait_for_all()
    return collection


def with_device(device: str, config: ResolvedConfig) -> ResolvedConfig:
    """The settings with the device of this start, with the number of this process' own GPU.

    `config.json` has the device on which the run was begun; every start may use another one.
    """
    return replace(config, device=numbered(choose_device(device)))


def _begin(
    files: list[ImageFile], out: OwnFolder, config: TrainConfig, reporter: Reporter
) -> Begun:
    """Decode the images, choose all open settings, and write `config.json`."""
    if world().size > 1:
        config = replace(config, cache="mmap")  # a file that all processes can map
    config = replace(
        config, init=absolute_init(config.init), teacher=absolute_teacher(config.teacher)
    )
    epochs = config.epochs or 1
    side = typical_side(files)
    planned = resolve(replace(config, epochs=epochs), max(len(files), MIN_IMAGES), side)
    require_same_encoder(planned)
    if of_timm(planned.architecture):
        build_encoder(planned)  # refuses what cannot be made before anything is written
    if planned.teacher is not None:  # it is read before any image is
        planned = replace(planned, teacher_sha256=teacher_sha256(planned.teacher))
    collection = _decode(files, planned, out, reporter)
    if config.method == "supervised":
        require_classes(collection)  # before anything is written
    settled = replace(config, cache=planned.cache, cache_size=planned.cache_size)
    began = time.monotonic()
    timed = _timed_choice(settled, planned, len(collection), reporter)
    if timed is not None:
        settled = replace(settled, precision=timed.precision)
        torch.set_num_threads(timed.threads)  # `train` puts back what was set before
    if config.epochs is None and config.seconds is not None:
        epochs = _epochs_by_trial(config.seconds, settled, collection)
        reporter.message(f"Epochs chosen to take about {config.seconds:,.0f} seconds: {epochs}.")
        settled = replace(settled, epochs=epochs)
    timing = time.monotonic() - began
    resolved = resolve(settled, len(collection) - count_held_out(len(collection), config))
    if timed is not None:
        resolved = replace(resolved, timed_threads=timed.threads)
    reporter.message(summary(resolved, len(collection)))
    for text in warnings(config, resolved, len(collection)):
        reporter.message(f"Warning: {text}")
    if resolved.init is not None:
        resolved = replace(resolved, init_sha256=weights_sha256(resolved.init))
    resolved = replace(resolved, teacher_sha256=planned.teacher_sha256)
    (out / METRICS).write("")
    write_config(out, resolved)
    return Begun(out, resolved, collection, timing)


def _timed_choice(
    config: TrainConfig, planned: ResolvedConfig, images_count: int, reporter: Reporter
) -> Choice | None:
    """The fastest number of threads and precision, where a training leaves them open."""
    on_processor = torch.device(planned.device).type == "cpu" and world().size == 1
    if config.threads is not None or not on_processor:
        return None
    open_precision = config.precision == "auto"
    choices = choose(planned, images_count, torch.get_num_threads(), open_precision)
    if choices is None:
        return None
    best = best_of(choices)
    reporter.message(f"Timed: {'; '.join(map(str, choices))}. Chosen: {best}.")
    return best


def _epochs_by_trial(seconds: float, config: TrainConfig, collection: Collection) -> int:
    """The number of epochs that fit into a time, by a trial of some steps."""
    trial = resolve(replace(config, epochs=1), len(collection))
    trial = with_device(trial.device, trial)
    with tuned_for(trial.device):
        return epochs_for(seconds, trial, resident(collection, trial.device))


def _decode(
    files: list[ImageFile],
    config: ResolvedConfig,
    out: OwnFolder,
    reporter: Reporter,
    *,
    resumed: bool = False,
) -> Collection:
    """Decode the images, and let the teacher embed them, where there is one."""
    collection = decode_collection(files, config.cache_size, config.cache, out, reporter)
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
    if config.teacher is None:
        return collection
    return with_teacher(collection, files, config, out, reporter, resumed=resumed)


_FILES = "|".join(map(re.escape, (CONFIG, WEIGHTS, METRICS, CURVES)))
_ALBUM = "|".join(re.escape(path.name) for path in (SAMPLE, VIEWS, NEIGHBOURS))
_CHECKPOINTS = "|".join(re.escape(path.name) for path in (CHECKPOINT, BEST))


def _make_room(out: Path, *, force: bool) -> OwnFolder:
    """Make the folder, or refuse one that exists; with `force`, remove the run in it, no more."""
    if out.is_file():
        raise UsageError(f"{out} is a file, and a run is a folder.", "Choose another --out.")
    leftovers = {CACHE}  # of a training that was killed while it decoded
    if not (out.is_dir() and {path.name for path in out.iterdir()} <= leftovers):
        refuse_existing(out, force=force)
    folder = OwnFolder.make(out)
    if force:
        folder.delete("", _with_temporaries(_FILES))
        folder.discard(CHECKPOINT.parent.name, _with_temporaries(_CHECKPOINTS))
        folder.discard(ALBUM.name, _with_temporaries(_ALBUM))
        remove_cache(folder)
    return folder


def _with_temporaries(names: str) -> re.Pattern[str]:
    """The pattern of files of these names, and of those that they are written under at first."""
    return re.compile(f"{names}|{temporary_of(names).pattern}")
