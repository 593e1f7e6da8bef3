"""A run as the page sees it: its metrics, its settings, and its album, also while it is trained.

A run folder may be a stranger's, and is written to by another process. So every file is read within
bounds and through no link, everything in it is checked, and what is damaged is left out. No model
is loaded, and nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFile, OwnFolder
from clr_search.files.strict_json import parse_object
from clr_search.pictures.inline import jpeg

if TYPE_CHECKING:
    from clr_search.images.isolation import DecodingWorkers

CONFIG, METRICS, WEIGHTS = "config.json", "metrics.jsonl", "weights.safetensors"
NEIGHBOURS = "album/neighbours.jsonl"
SHEETS = {"sample": "album/sample.jpg", "views": "album/views.jpg"}
"""Names of the files that training writes; the tests hold them against it."""

COLUMNS = 16
"""Pictures beside each other in the sample."""

MEASURES = (
    "loss",
    "held_out_loss",
    "contrastive_accuracy",
    "knn_accuracy",
    "effective_rank",
    "mean_cosine",
    "learning_rate",
    "images_per_second",
    "data_wait",
    "seconds",
)
"""What is shown of each epoch."""

MOST_BYTES = 16 * 2**20
"""Largest number of bytes of a file that are read: the metrics of some 40,000 epochs. Of a longer
one its end is read."""

MOST_POINTS = 1000
"""Largest number of epochs in one answer: a chart has no more pixels."""

MOST_SHEET_BYTES = 8 * 2**20
"""Largest sheet of pictures that is shown, in bytes."""

_MOST_TILES, _MOST_QUERIES = 256, 8
_MOST = 1e300  # numbers beyond are no measurements
_TEXT = 200  # characters of a setting that are shown

Tag = tuple[tuple[int, int] | None, ...]
"""Times and sizes of the files: another tag, another state."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The neighbours within the sample after an epoch.

    Attributes
    ----------
    epoch : int
        Number of finished epochs.
    images : int
        Number of pictures in the sample.
    neighbours : tuple of tuple of int
        Numbers of the neighbours of the first pictures, the nearest first.
    """

    epoch: int
    images: int
    neighbours: tuple[tuple[int, ...], ...]


class RunFolder:
    """The folder of a run; it is safe to use from several threads.

    Parameters
    ----------
    path : path
        The folder.
    workers : DecodingWorkers
        Decode the sheets.

    Raises
    ------
    UsageError
        If there is no run at `path`.
    """

    def __init__(self, path: Path | str, workers: DecodingWorkers) -> None:
        self.path, self._workers = Path(path), workers
        make = "Make one with: clr-search train IMAGES --out RUN"
        if not self.path.is_dir():
            raise UsageError(f"{path} is no folder of a run.", make)
        if not (OwnFolder(self.path) / CONFIG).exists():
            raise UsageError(f"{path} is not a run: it has no config.json.", make)

    def tag(self) -> Tag:
        """Return what changes with every change of the run."""
        folder = self._folder()
        files = (CONFIG, METRICS, WEIGHTS, NEIGHBOURS, *SHEETS.values())
        return tuple(_stamp(folder / name) for name in files)

    def config(self) -> dict[str, str | int | float | bool]:
        """Return the settings that are one value each."""
        file = self._folder() / CONFIG
        try:
            values = parse_object(_end_of(file).decode("utf-8"))
        except (ValueError, ClrSearchError):
            return {}
        return {
            name: value[:_TEXT] if isinstance(value, str) else value
            for name, value in values.items()
            if isinstance(value, str | int | float) and _is_sane(value)
        }

    def metrics(self) -> list[dict[str, float | None]]:
        """Return the metrics of each finished epoch; None for what was not measured, or is NaN."""
        rows: dict[int, dict[str, float | None]] = {}
        for row in _rows_of(self._folder() / METRICS):
            epoch = _whole(row.get("epoch"))
            if epoch is not None:
                measured = {name: _number(row.get(name)) for name in MEASURES}
                over = {"time_over": 1.0 if row.get("time_over") is True else 0.0}
                rows[epoch] = {"epoch": epoch, **measured, **over}
        return [rows[epoch] for epoch in sorted(rows)]

    def neighbours(self) -> list[Noted]:
        """Return the neighbours that were noted, by epoch; rows that are damaged are left out."""
        noted = {}
        for row in _rows_of(self._folder() / NEIGHBOURS):
            one = _noted(row)
            if one is not None:
                noted[one.epoch] = one
        return [noted[epoch] for epoch in sorted(noted)]

    def has(self, name: str) -> bool:
        """Return whether a file of the run is there."""
        return _stamp(self._folder() / name) is not None

    def sheet(self, name: str) -> bytes:
        """Return a sheet of pictures, decoded and encoded anew.

        Raises
        ------
        ClrSearchError
            If the run has no such sheet, or it is no picture.
        """
        file = self._folder() / SHEETS[name]
        try:
            with file.open() as opened:
                data = opened.read(MOST_SHEET_BYTES + 1)
        except OSError:
            raise ClrSearchError(
                "This run has no such pictures.", "Releases before the album wrote none."
            ) from None
        if len(data) > MOST_SHEET_BYTES:
            raise ClrSearchError(f"{file} is too large to be shown.")
        return jpeg(self._workers.decode(data).pixels)

    def age(self) -> float | None:
        """Return how many seconds ago an epoch was finished; None before the first."""
        stamp = _stamp(self._folder() / METRICS)
        return None if stamp is None else max(0.0, time.time() - stamp[0] / 1e9)

    def _folder(self) -> OwnFolder:
        """Return the folder, opened anew: `train --force` may have put another in its place."""
        try:
            return OwnFolder(self.path)
        except OSError:
            raise ClrSearchError(f"{self.path} is no longer there.", "Bring it back.") from None


def _stamp(file: OwnFile) -> tuple[int, int] | None:
    """Return time and size of a file; None where there is none, or a link."""
    try:
        status: os.stat_result | None = file.status()
    except (ClrSearchError, OSError):
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size)


def _end_of(file: OwnFile) -> bytes:
    """Return the last bytes of a file; none where there is no such file of ours."""
    try:
        with file.open() as opened:
            size = os.fstat(opened.fileno()).st_size
            opened.seek(max(0, size - MOST_BYTES))
            return opened.read(MOST_BYTES)
    except (ClrSearchError, OSError):
        return b""


def _rows_of(file: OwnFile) -> Iterator[dict[str, object]]:
    """Yield the objects of a file of lines of JSON; a line that is none is left out."""
    for line in io.BytesIO(_end_of(file)):
        try:
            yield parse_object(line.decode("utf-8"))
        except ValueError:
            continue


def _noted(row: dict[str, object]) -> Noted | None:
    """Return checked neighbours; None for anything else."""
    epoch, images, lists = (
        _whole(row.get("epoch")),
        _whole(row.get("images")),
        row.get("neighbours"),
    )
    if epoch is None or images is None or not 2 <= images <= _MOST_TILES:
        return None
    if not isinstance(lists, list) or len(lists) > _MOST_QUERIES:
        return None
    found = []
    for numbers in lists:
        if not isinstance(numbers, list) or len(numbers) > _MOST_QUERIES:
            return None
        checked = [_whole(number) for number in numbers]
        if any(number is None or number >= images for number in checked):
            return None
        found.append(tuple(number for number in checked if number is not None))
    return Noted(epoch, images, tuple(found))


def _whole(value: object) -> int | None:
    """Return a whole number that can be counted; None for anything else."""
    return value if type(value) is int and 0 <= value < 2**53 else None


def _number(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_sane(value):
        return None
    return float(value)


def _is_sane(value: Any) -> bool:
    """Whether a value can be shown: a number must be finite and not beyond reason."""
    if isinstance(value, bool | str):
        return True
    return -_MOST < value < _MOST and not (isinstance(value, float) and math.isnan(value))
