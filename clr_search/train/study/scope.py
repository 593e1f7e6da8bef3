"""What a study is about, beside its experiments: its images, network, lengths and seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from clr_search.errors import UsageError, reason_of
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.design import base_config
from clr_search.train.study.experiment import Cell, Experiment
from clr_search.train.study.store import Training

SCOPE = Path("study.json")
"""The file in the folder of a study that holds its `Scope`, so that its pages can be made again
without the images."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What all trainings of a study have in common.

    Attributes
    ----------
    pictures_sha256 : str
        See `Pictures.sha256`.
    images, tested, classes : int
        Number of images to train on and to test on, and of their classes.
    image_size, width, batch_size : int, float, int
        Settings of `base_config`.
    lengths : tuple of int
        Lengths of the trainings in epochs, in ascending order.
    seeds : int
        Number of trainings of each cell and length, with seeds from 0.
    command : str
        The command that makes the study, without names of experiments; "" where it is not known.
    """

    pictures_sha256: str
    images: int
    tested: int
    classes: int
    image_size: int
    width: float
    batch_size: int
    lengths: tuple[int, ...]
    seeds: int
    command: str = ""

    def base(self, device: str) -> TrainConfig:
        """The settings from which the cells differ."""
        return base_config(
            image_size=self.image_size, width=self.width, batch_size=self.batch_size, device=device
        )

    def training(self, cell: Cell, length: int, seed: int) -> Training:
        """The training of a cell at a length with a seed."""
        epochs = length if cell.config.epochs is None else cell.config.epochs
        config = replace(cell.config, epochs=epochs, seed=seed)
        return Training(resolve(config, self.images), self.pictures_sha256)

    def trainings(self, experiments: Iterable[Experiment]) -> list[Training]:
        """All trainings of some experiments, each once, in the order in which they are to be done.

        Short ones come first, so that a report is soon complete for a length; among those of a
        length, the cells of the four insights, experiment by experiment, each with all its seeds.
        """
        experiments = tuple(experiments)
        found: dict[str, Training] = {}
        for length in self.lengths:
            for core in (True, False):
                cells = [cell for one in experiments for cell in one.cells if cell.core == core]
                for cell in cells:
                    for seed in range(self.seeds):
                        one = self.training(cell, length, seed)
                        found.setdefault(one.name, one)
        return list(found.values())

    def to_json(self) -> str:
        """The scope as JSON text, from which `from_json` makes an equal one."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Self:
        """Read what `to_json` has made.

        Raises
        ------
        UsageError
            If the text is not that of a scope; the message names `source`.
        """
        try:
            values: dict[str, Any] = checked_fields(parse_object(text), cls)
            return cls(**{**values, "lengths": tuple(values["lengths"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{source} is not that of a study: {reason_of(error)}",
                "Give the command of the study again, which writes it.",
            ) from error
