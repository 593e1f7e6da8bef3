"""The question of the Training tab: how a run has gone so far."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import Asked
from clr_search.app.library.run import COLUMNS, MEASURES, MOST_POINTS, SHEETS, WEIGHTS, RunFolder

SHOWN = (
    "method",
    "loss",
    "architecture",
    "width",
    "image_size",
    "batch_size",
    "epochs",
    "temperature",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "precision",
    "device",
    "seed",
    "init",
)
"""Settings that are shown, in this order."""

MOST_NOTED = 200
"""Largest number of epochs of which the page can show the neighbours."""


class Training:
    """The question of the tab.

    Parameters
    ----------
    run : RunFolder
        The run.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def training(self, asked: Asked) -> Answer:
        """Return all about the run; only that it is the same, where nothing has changed since."""
        tag = _text(self._run.tag())
        age = self._run.age()
        if asked.text("tag") == tag:
            return {"same": True, "age": age}
        config, rows = self._run.config(), self._run.metrics()
        noted, planned = self._run.neighbours(), config.get("epochs")
        return {
            "tag": tag,
            "age": age,
            "name": self._run.path.resolve().name,
            "planned": planned if type(planned) is int else None,
            "finished": _is_finished(rows, planned) and self._run.has(WEIGHTS),
            "settings": [[name, str(config[name])] for name in SHOWN if name in config],
            "epochs": len(rows),
            **_series(rows),
            "sheets": {name: tag for name, file in SHEETS.items() if self._run.has(file)},
            "columns": COLUMNS,
            "noted": [one.epoch for one in _thinned(noted, MOST_NOTED)],
        }

    def neighbours(self, asked: Asked) -> Answer:
        """Return the neighbours after some epochs, of those that were noted."""
        wanted = {asked.count("early", 0, 2**53, 0), asked.count("late", 0, 2**53, 0)}
        noted = [one for one in self._run.neighbours() if one.epoch in wanted]
        return {
            "noted": {str(one.epoch): one.neighbours for one in noted},
            "images": max((one.images for one in noted), default=0),
        }


def _series(rows: Sequence[dict[str, float | None]]) -> dict[str, Any]:
    """Return each measure as a list, of all epochs or of an even choice that has the last."""
    shown = _thinned(rows, MOST_POINTS)
    return {
        "at": [row["epoch"] for row in shown],
        "series": {
            name: [row[name] for row in shown]
            for name in MEASURES
            if any(row[name] is not None for row in shown)
        },
    }


def _thinned(rows: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many rows, evenly chosen, with the first and the last.

    Examples
    --------
    >>> _thinned(range(10), 4), _thinned([1, 2], 4)
    ([0, 3, 6, 9], [1, 2])
    """
    count = len(rows)
    if count <= most:
        return list(rows)
    return [rows[at * (count - 1) // (most - 1)] for at in range(most)]


def _is_finished(rows: Sequence[dict[str, float | None]], planned: object) -> bool:
    """Return whether the last epoch was the last that was planned, or the time was over."""
    if not rows:
        return False
    return rows[-1]["epoch"] == planned or bool(rows[-1]["time_over"])


def _text(tag: object) -> str:
    """Return a tag as a short text."""
    return sha256(repr(tag).encode()).hexdigest()[:20]
