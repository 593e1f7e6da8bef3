"""The report of a demo, for people and for programs."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clr_search.evaluate.compare import Row, table

_FEW = 15
"""Epochs below which the demo says so: it finds much less than after some minutes."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The files and measures of a demo.

    Attributes
    ----------
    out : Path
        Folder of the demo.
    images, skipped : int
        Numbers of pictures in the collection, and of files that are not usable pictures.
    epochs : int
        Number of epochs of the training.
    rows : tuple of Row
        Scores of each encoder; empty where the folders give no labels.
    scored : int
        Number of pictures on which the scores were measured.
    seconds : dict of str to float
        Wall time of each stage. A stage that an interrupted demo had finished takes almost none.
    """

    out: Path
    images: int
    skipped: int
    epochs: int
    rows: tuple[Row, ...]
    scored: int
    seconds: dict[str, float]

    @property
    def collection(self) -> Path:
        """The folder of the collection."""
        return self.out / "collection.clr"

    @property
    def probe(self) -> Path | None:
        """The file of the classifier; None where the folders give no labels."""
        path = self.out / "probe.onnx"
        return path if path.exists() else None

    @property
    def contact_sheet(self) -> Path:
        """The picture with some queries and their results."""
        return self.out / "contact-sheet.png"

    def to_json(self) -> dict[str, Any]:
        """Return the report as values of JSON."""
        return asdict(self) | {"out": str(self.out)}

    def table(self) -> str:
        """Return a summary for the terminal: scores, files, and the next commands."""
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        lines = [
            f"{self.images:,} pictures, {self.epochs:,} epochs: {stages}",
            "",
        ]
        if self.epochs < _FEW:
            lines += [
                f"{self.epochs:,} epochs are few: the machine is slow or busy. More find more: "
                "give the command again with --seconds 300 --force.",
                "",
            ]
        if self.rows:
            lines += [f"Leave-one-out over {self.scored:,} pictures, in per cent:", ""]
            lines += [table(self.rows), ""]
        else:
            lines += ["No figures: they need at least two folders that tell what belongs together."]
        out, collection = shlex.quote(str(self.out)), shlex.quote(str(self.collection))
        probe = f" --probe {shlex.quote(str(self.probe))}" if self.probe else ""
        return "\n".join(
            [
                *lines,
                f"Look at:   {shlex.quote(str(self.contact_sheet))} and {out}/run/curves.png",
                f"Search:    clr-search search {collection} PICTURE",
                f"Browse:    clr-search app {collection}{probe}",
            ]
        )
