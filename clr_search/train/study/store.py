"""The results of a study on disk, one small file for each training.

::

    out/cells/<settings>-<identity>.json    what was trained, and its measures
    out/work/<settings>-<identity>/         a training in progress, with its checkpoint
    out/work/<settings>-<identity>.lock     locked by the process that trains it

A training is identified by its settings and its images, and not by the experiment that asks for it:
a cell that two experiments or two studies in the same folder share is trained once. Its name is
made for people, and ends in the first digits of the SHA-256 of its identity, which is what counts.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from clr_search.files.own import OwnFile, OwnFolder
from clr_search.files.strict_json import is_of
from clr_search.files.write import sha256_bytes
from clr_search.train.settings.resolved import ResolvedConfig

MEASURED = 2
"""Version of the measures; results of another one are measured, and thus trained, anew."""

CELLS, WORK = "cells", "work"

_OF_THE_MACHINE = frozenset(
    "device threads timed_threads channels_last compile cache cache_gigabytes cache_size "
    "knn_every checkpoint_every checkpoint_minutes".split()
)
"""Settings that do not change what is learned, or not by more than rounding."""

_SINCE = frozenset(
    "method loss margin normalise negatives init teacher teacher_weight architecture drop_path "
    "width stem norm image_size grow_from local_views local_size head head_dim head_hidden "
    "temperature batch_size micro_batch epochs seconds patience average optimizer learning_rate "
    "scaling weight_decay warmup_epochs augmentation precision seed init_sha256 "
    "teacher_sha256".split()
)
"""Settings that always count. One that a later release adds counts where it is not the default of
`ResolvedConfig`, which is what a release without it did, so that results from before stay valid."""


@dataclass(frozen=True)
class Training:
    """One training of a study: settings with a seed and a number of epochs, and its images.

    Attributes
    ----------
    config : ResolvedConfig
        The settings.
    pictures_sha256 : str
        SHA-256 of the images, see `Pictures.sha256`.
    """

    config: ResolvedConfig
    pictures_sha256: str

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes this training the one it is, as JSON values."""
        usual = {item.name: item.default for item in fields(ResolvedConfig)}
        settings = {
            name: value
            for name, value in json.loads(self.config.to_json()).items()
            if name not in _OF_THE_MACHINE and (name in _SINCE or value != usual.get(name))
        }
        return {"pictures": self.pictures_sha256, "measured": MEASURED, "settings": settings}

    @cached_property
    def name(self) -> str:
        """The name of the file of its result, without the suffix."""
        text = json.dumps(self.identity, sort_keys=True)
        return f"{described(self.config)}-{sha256_bytes(text.encode())[:10]}"


def described(config: ResolvedConfig) -> str:
    """The settings in which cells differ, as part of the name of a file.

    Examples
    --------
    >>> from clr_search.train.settings.choices import resolve
    >>> from clr_search.train.settings.config import TrainConfig
    >>> described(resolve(TrainConfig(image_size=32, epochs=5, device="cpu"), 5000))
    '5-epochs-simclr-resnet18x1-b256-nonlinear128-t0.1-crop-flip-colour0.5-grey-seed0'
    """
    views = config.augmentation
    applied = {
        "crop": views.crop_scale != (1.0, 1.0),
        "flip": views.flip,
        f"colour{views.strength:g}": views.jitter,
        "grey": views.grey,
        "blur": views.blur,
    }
    trained = config.method if config.loss == "nt-xent" else config.loss
    contrast = f"-{config.head}{config.head_dim if config.head != 'none' else ''}-"
    contrast += f"{'' if config.normalise else 'no-l2-'}t{config.temperature:g}"
    return (
        f"{config.epochs}-epochs-{trained}-{config.architecture.replace(':', '-')}x{config.width:g}"
        f"-b{config.batch_size}{'' if config.method == 'supervised' else contrast}-"
        f"{'-'.join(name for name, used in applied.items() if used)}-seed{config.seed}"
    )


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one training.

    Attributes
    ----------
    measures : dict of str to float
        Measures by name; see `measures.measure`.
    seconds : float
        Time of training and measuring; pauses between two starts do not count.
    cpu_seconds : float or None
        Time of the processor for both, however busy the machine was; None where the training was
        interrupted, or ran on another device.
    machine : str
        Device, number of threads, and version of torch.
    """

    measures: dict[str, float]
    seconds: float
    cpu_seconds: float | None
    machine: str


def _is_sound(result: Result) -> bool:
    """Whether a result that was read has the types it should have."""
    numbers = [*result.measures.values(), result.seconds, result.cpu_seconds or 0]
    return isinstance(result.machine, str) and all(is_of(number, float) for number in numbers)


class Store:
    """The folder of a study.

    Parameters
    ----------
    out : Path
        The folder, made where it is missing.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._folder = OwnFolder.make(out)

    def result(self, training: Training) -> Result | None:
        """The result of a training; None if there is none, or its file is damaged."""
        try:
            stored = json.loads((self._folder / f"{CELLS}/{training.name}.json").read_text())
            if stored["identity"] != training.identity:
                return None
            result = Result(**{item.name: stored[item.name] for item in fields(Result)})
            return result if _is_sound(result) else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, training: Training, result: Result) -> None:
        """Write the result of a training, whole or not at all."""
        file = self._folder / f"{CELLS}/{training.name}.json"
        file.write(json.dumps({**asdict(result), "identity": training.identity}, indent=1) + "\n")

    def lock(self, training: Training) -> OwnFile:
        """The file that the process that trains holds locked."""
        return self._folder / f"{WORK}/{training.name}.lock"

    def forget(self, training: Training) -> None:
        """Delete the folder of a training that has its result."""
        if training.name in self._folder.names(WORK):
            shutil.rmtree(self.run(training).path, ignore_errors=True)

    def run(self, training: Training) -> OwnFolder:
        """The folder of a training in progress, made where it is missing."""
        return self._folder.inside(f"{WORK}/{training.name}")
