"""Training and measuring the cells of an experiment; the result of each is kept on disk.

::

    out/cells/<experiment>/<cell>-seed<n>.json    settings, images and measures of one training

A result is used again if its settings and images are the same. So a study that was interrupted
continues with the first cell that has no result.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clr_search.files.own import OwnFolder
from clr_search.files.write import sha256_bytes, write_atomically
from clr_search.progress import Reporter, Silent
from clr_search.train.data.collection import resident
from clr_search.train.hardware import tuned_for
from clr_search.train.interruption import Interruption
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study.experiment import Cell, Experiment
from clr_search.train.study.measures import measure
from clr_search.train.study.pictures import Pictures
from clr_search.train.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one training.

    Attributes
    ----------
    cell : str
        Name of the cell.
    seed : int
        Seed of the training.
    measures : dict of str to float
        Measures by name; see `measures.measure`.
    seconds : float
        Time of training and measuring.
    """

    cell: str
    seed: int
    measures: dict[str, float]
    seconds: float


def run(
    experiment: Experiment,
    pictures: Pictures,
    out: Path,
    *,
    seeds: int,
    reporter: Reporter | None = None,
) -> list[Result] | None:
    """Train and measure all cells of an experiment that have no result yet.

    Parameters
    ----------
    experiment : Experiment
        The cells.
    pictures : Pictures
        Images to train and to test on.
    out : Path
        The folder of the study.
    seeds : int
        Number of trainings of each cell, with seeds from 0.
    reporter : Reporter, optional
        Receives the progress.

    Returns
    -------
    list of Result or None
        One result for each cell and seed; None if a signal stopped the study before its end.
    """
    reporter = reporter or Silent()
    results, jobs = [], [(cell, seed) for seed in range(seeds) for cell in experiment.cells]
    with Interruption() as interruption:
        for number, (cell, seed) in enumerate(jobs, start=1):
            config = resolve(replace(cell.config, seed=seed, knn_every=0), len(pictures.train))
            path = out / "cells" / experiment.name / f"{_slug(cell.name)}-seed{seed}.json"
            key = _key(config, pictures)
            result = _stored(path, key)
            if result is None:
                reporter.message(
                    f"{experiment.name}, {number} of {len(jobs)}: {cell.name}, seed {seed}"
                )
                result = _train(cell, config, pictures, reporter, lambda: interruption.requested)
                if result is None:
                    return None
                write_atomically(path, json.dumps(key | asdict(result), indent=1) + "\n")
            results.append(result)
    return results


def _slug(name: str) -> str:
    """The name of a cell as part of a file name."""
    return re.sub(r"[^\w+-]+", "-", name.replace("τ", "t")).strip("-")


def _key(config: ResolvedConfig, pictures: Pictures) -> dict[str, Any]:
    """Settings and images of a training, which a stored result must match to be used again."""
    pictures_sha256 = sha256_bytes(
        f"{pictures.train.fingerprint} {pictures.test.fingerprint}".encode()
    )
    return {"config": json.loads(config.to_json()), "pictures_sha256": pictures_sha256}


def _stored(path: Path, key: dict[str, Any]) -> Result | None:
    """The result in a file; None if there is none, or it is of other settings or images."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        if {name: stored[name] for name in key} != key:
            return None
        return Result(stored["cell"], stored["seed"], stored["measures"], stored["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _train(
    cell: Cell,
    config: ResolvedConfig,
    pictures: Pictures,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> Result | None:
    """Train and measure one cell; None if it was stopped."""
    began = time.monotonic()
    with tuned_for(config.device), tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            OwnFolder(Path(folder)), config, resident(pictures.train, config.device), reporter
        )
        if not trainer.run(stop):
            return None
        measures = measure(trainer.networks, config, pictures)
    return Result(cell.name, config.seed, measures, time.monotonic() - began)
