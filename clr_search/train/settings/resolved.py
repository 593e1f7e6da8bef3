"""The settings of a run, of which none is left open, and what a resumed run may not change."""

from __future__ import annotations

from dataclasses import dataclass, fields

from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Cache, Head, OptimizerName, Precision, Statistics, Stem


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """The settings of a training with nothing left to choose: what `config.json` holds.

    Attributes
    ----------
    init_sha256 : str or None
        SHA-256 of the file of weights that `init` names, which may be gone when the run is
        exported; None where training begins with random weights.
    teacher_sha256 : str or None
        SHA-256 of the file of the teacher; None without one.
    timed_threads : int or None
        Number of threads that was fastest at the beginning; None where `threads` is set, or none
        were timed.
    """

    stem: Stem
    head: Head
    batch_size: int
    epochs: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    augmentation: Augmentation
    precision: Precision
    knn_every: int
    cache: Cache
    cache_size: int
    statistics: Statistics = "batch"  # of runs that a release without the setting began
    encoder_rate: float = 1.0  # likewise
    init_sha256: str | None = None
    teacher_sha256: str | None = None
    timed_threads: int | None = None


def difference(requested: TrainConfig, stored: ResolvedConfig) -> list[str]:
    """The settings that are asked for and differ from those of a run, one line for each.

    A setting that is left open (None or "auto") agrees with any value. So does any device and any
    number of threads, because a run may be resumed on another machine.

    Returns
    -------
    list of str
        Lines such as "epochs is 4, was 3"; empty if the run can be resumed.
    """
    lines = []
    for item in fields(TrainConfig):
        if item.name in ("device", "threads"):
            continue
        wanted, has = getattr(requested, item.name), getattr(stored, item.name)
        if wanted not in (None, "auto", has):
            lines.append(f"{item.name} is {wanted}, was {has}")
    return lines
