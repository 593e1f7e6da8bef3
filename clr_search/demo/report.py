"""What the demo made, for a person and for programs."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clr_search.evaluate.compare import Row, table


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo made.

    Attributes
    ----------
    out : Path
        Its folder.
    images, skipped : int
        Pictures in the collection, and files that are no usable pictures.
    epochs : int
        Epochs trained.
    rows : tuple of Row
        Scores by description; empty where folders give no labels.
    scored : int
        Pictures the scores are over.
    seconds : dict of str to float
        Wall time by stage; a stage that an earlier, interrupted demo had done takes next to none.
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
        """The index."""
        return self.out / "collection.clr"

    @property
    def probe(self) -> Path | None:
        """The classifier, where folders give labels."""
        path = self.out / "probe.onnx"
        return path if path.exists() else None

    @property
    def contact_sheet(self) -> Path:
        """Queries and what was found, as a picture."""
        return self.out / "contact-sheet.png"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"out": str(self.out)}

    def table(self) -> str:
        """A summary for a terminal: figures, files, and what to do next."""
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        lines = [
            f"{self.images:,} pictures, {self.epochs:,} epochs: {stages}",
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
