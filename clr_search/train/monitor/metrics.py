"""`metrics.jsonl`: one row an epoch, appended and flushed to the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clr_search.errors import UsageError
from clr_search.files.write import write_atomically

METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """One epoch.

    Attributes
    ----------
    epoch, step : int
        Epochs and steps finished.
    images : int
        Images of the collection.
    loss : float
        Mean of the epoch's steps, in nats.
    learning_rate : float
        Of the last step.
    contrastive_accuracy : float
        Share of views whose nearest other view is their partner, in [0, 1].
    images_per_second : float
        Images trained on a second; each is seen in two views.
    data_wait : float
        Share of the time spent waiting for pixels, in [0, 1].
    seconds : float
        Duration of the epoch, without the measurement of kNN accuracy.
    knn_accuracy : float or None
        Where it was measured; see `evaluate`.
    effective_rank, mean_cosine : float or None
        Spread of h over some pictures; see `health`.
    held_out_loss : float or None
        Of the pictures that are not trained on; see `heldout`.
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


def append_row(path: Path, row: Row) -> None:
    """Append a row and wait until the disk has it."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(row)) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read all rows; none if there is no file.

    A last line without its end, cut off by a crash, is left out.

    Raises
    ------
    UsageError
        If a whole line is no JSON object.
    """
    if not path.is_file():
        return []
    *lines, _ = path.read_text("utf-8").split("\n")
    try:
        return [dict(json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path} is damaged: {error}.", "Delete it; only the curves of the run are lost."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the rows of a run come to.

    Attributes
    ----------
    epochs, steps : int
        Finished.
    seconds : float
        Spent on finished epochs.
    loss : float or None
        Of the last epoch; None if there is none.
    images_per_second : float or None
        Over all epochs.
    knn_accuracy : float or None
        Last measured, in [0, 1].
    """

    epochs: int
    steps: int
    seconds: float
    loss: float | None
    images_per_second: float | None
    knn_accuracy: float | None


def totals(rows: Sequence[Mapping[str, Any]]) -> Totals:
    """Sum up the rows of a run."""
    seconds = sum(row["seconds"] for row in rows)
    images = sum(row["images_per_second"] * row["seconds"] for row in rows)
    measured = [row["knn_accuracy"] for row in rows if row.get("knn_accuracy") is not None]
    last: Mapping[str, Any] = rows[-1] if rows else {"epoch": 0, "step": 0, "loss": None}
    return Totals(
        epochs=last["epoch"],
        steps=last["step"],
        seconds=seconds,
        loss=last["loss"],
        images_per_second=images / seconds if rows else None,
        knn_accuracy=measured[-1] if measured else None,
    )


def best_epoch(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The epoch, of rows of `metrics.jsonl`, after which the loss held out was least."""
    measured = [row for row in rows if row.get("held_out_loss") is not None]
    if not measured:
        return None
    return int(min(measured, key=lambda row: row["held_out_loss"])["epoch"])


def had_enough(rows: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Whether the last `patience` epochs have brought nothing."""
    best = best_epoch(rows)
    return patience is not None and best is not None and rows[-1]["epoch"] - best >= patience


def truncate(path: Path, epochs: int) -> None:
    """Drop rows of epochs after `epochs`: those of work that a crash undid."""
    rows = [row for row in read_metrics(path) if row["epoch"] <= epochs]
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows))
