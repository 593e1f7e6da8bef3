"""`metrics.jsonl`: one row for each epoch, which is on the disk before training goes on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from clr_search.errors import UsageError
from clr_search.files.disk import told
from clr_search.files.own import OwnFile
from clr_search.files.strict_json import parse_object, read_text

METRICS = "metrics.jsonl"


_MOST = 2**53  # greatest number that is believed
_MEASURED = (
    "epoch",
    "step",
    "images",
    "learning_rate",
    "images_per_second",
    "data_wait",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class Row:
    """The metrics of one epoch.

    Attributes
    ----------
    epoch, step : int
        Number of epochs and of steps finished so far.
    images : int
        Number of images in the collection.
    loss : float
        Mean loss over the steps of the epoch, in nats.
    learning_rate : float
        Learning rate of the last step.
    contrastive_accuracy : float
        Share of views whose most similar other view is their partner, in [0, 1].
    images_per_second : float
        Images trained on per second; each is seen in two views.
    data_wait : float
        Share of the time that was spent waiting for pixels, in [0, 1].
    seconds : float
        Duration of the epoch, without the measurements after it.
    knn_accuracy : float or None
        kNN accuracy in [0, 1], if it was measured after this epoch; see `evaluate`.
    effective_rank, mean_cosine : float or None
        Spread of h over a sample of images; see `health`.
    held_out_loss : float or None
        Loss of the held-out images, if there are any; see `heldout`.
    time_over : bool
        Whether the training ended in or after this epoch, before its planned end, because the time
        it was given was over. The epoch may then be a part of one.
    """

    epoch: int
    step: int
    images: int
    loss: float
    learning_rate: float
    contrastive_accuracy: float
    images_per_second: float
    data_wait: float
    seconds: float
    knn_accuracy: float | None = None
    effective_rank: float | None = None
    mean_cosine: float | None = None
    held_out_loss: float | None = None
    time_over: bool = False


def append_row(path: OwnFile | Path, row: Row) -> None:
    """Append a row, and wait until it is on the disk."""
    file = OwnFile.at(path)
    with told(file.path), file.change(os.O_CREAT | os.O_APPEND) as handle:
        handle.write(json.dumps(asdict(row)).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def read_metrics(path: OwnFile | Path) -> list[dict[str, Any]]:
    """Read all rows.

    A last line without a line end, which a crash has cut off, is left out.

    Returns
    -------
    list of dict
        The rows in the order of their epochs; empty if there is no file.

    Raises
    ------
    UsageError
        If a whole line is no JSON object, or lacks a number that every row has.
    """
    file = OwnFile.at(path)
    if not file.exists():
        return []
    try:
        *lines, _ = read_text(file).split("\n")
        return [_checked(parse_object(line)) for line in lines]
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged: {error}.", "Delete it; only the curves of the run are lost."
        ) from error


def _checked(row: dict[str, object]) -> dict[str, Any]:
    """Returns a row whose fields are numbers as `Row` has them; raises ValueError for another."""
    for item in fields(Row):
        value, whole = row.get(item.name), item.type == "int"
        if item.default is not MISSING and (value is None or isinstance(item.default, bool)):
            if not isinstance(value, bool | None):
                raise ValueError(f"its {item.name} is neither true nor false")
            continue
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        measured = item.name in _MEASURED  # by a clock or a counter, and never NaN as a loss may be
        if number and measured and not 0 <= value < _MOST:  # type: ignore[operator]
            number = False
        if not number or _MOST <= abs(value) < math.inf:  # type: ignore[arg-type]
            raise ValueError(f"its {item.name} is no number that a training can have")
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The summary of all rows of a run.

    Attributes
    ----------
    epochs, steps : int
        Number of finished epochs and steps.
    seconds : float
        Time spent on finished epochs.
    loss : float or None
        Loss of the last epoch; None before the first one.
    images_per_second : float or None
        Mean speed over all epochs.
    knn_accuracy : float or None
        The last kNN accuracy that was measured, in [0, 1].
    """

    epochs: int
    steps: int
    seconds: float
    loss: float | None
    images_per_second: float | None
    knn_accuracy: float | None


def totals(rows: Sequence[Mapping[str, Any]]) -> Totals:
    """Summarise the rows of a run."""
    seconds = sum(row["seconds"] for row in rows)
    images = sum(row["images_per_second"] * row["seconds"] for row in rows)
    measured = [row["knn_accuracy"] for row in rows if row.get("knn_accuracy") is not None]
    last: Mapping[str, Any] = rows[-1] if rows else {"epoch": 0, "step": 0, "loss": None}
    return Totals(
        epochs=last["epoch"],
        steps=last["step"],
        seconds=seconds,
        loss=last["loss"],
        images_per_second=images / seconds if seconds > 0 else None,
        knn_accuracy=measured[-1] if measured else None,
    )


def best_epoch(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The epoch with the lowest loss on held-out images.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `metrics.jsonl`.

    Returns
    -------
    int or None
        None if the loss of held-out images was not measured.

    Examples
    --------
    >>> best_epoch([{"epoch": 1, "held_out_loss": 2.5}, {"epoch": 2, "held_out_loss": 2.0}])
    2
    """
    measured = [row for row in rows if row.get("held_out_loss") is not None]
    if not measured:
        return None
    return int(min(measured, key=lambda row: row["held_out_loss"])["epoch"])


def patience_exhausted(rows: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Whether the loss on held-out images has not fallen for `patience` epochs."""
    best = best_epoch(rows)
    return patience is not None and best is not None and rows[-1]["epoch"] - best >= patience


def is_last(row: Mapping[str, Any], epochs: int) -> bool:
    """Whether a row is that of the last epoch: of `epochs` planned ones, or by lack of time."""
    return row["epoch"] == epochs or bool(row.get("time_over"))


def truncate(path: OwnFile | Path, epochs: int) -> None:
    """Remove the rows of epochs after `epochs`, whose work a crash has undone."""
    rows = [row for row in read_metrics(path) if row["epoch"] <= epochs]
    OwnFile.at(path).write("".join(json.dumps(row) + "\n" for row in rows))
