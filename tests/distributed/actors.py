"""Actors that tests send in place of `EmbeddingActor`: they die, or tell what they got."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from clr_search.contract.model_file import ModelFile
from clr_search.distributed.actor import EmbeddingActor
from clr_search.images.isolation import DecodingLimits
from clr_search.serve import pipeline

KILLER = "killer.png"
"""Name of a picture that ends the process that reads it; each time is a line in `DEATHS`."""

DEATHS = "deaths"
"""File beside the encoder's."""


class MortalActor(EmbeddingActor):
    """Ends, as by a fault of its own process, when it reads a `KILLER`."""

    def __init__(self, model: ModelFile, limits: DecodingLimits, ledger: Any, device: str) -> None:
        super().__init__(model, limits, ledger, device)
        read = pipeline._read

        def fatal(path: Path, ahead: Any) -> Any:
            if path.name == KILLER:
                with (model.path.parent / DEATHS).open("a") as file:
                    file.write(f"{path.parent.name}\n")
                os._exit(1)
            return read(path, ahead)

        pipeline._read = fatal


class CountedActor(EmbeddingActor):
    """Writes down what it was given, and does nothing before two have."""

    def __init__(self, model: ModelFile, limits: DecodingLimits, ledger: Any, device: str) -> None:
        import ray

        super().__init__(model, limits, ledger, device)
        self._folder = model.path.parent
        node = ray.get_runtime_context().get_node_id()
        (self._folder / f"{os.getpid()}.actor").write_text(f"{node} {ray.get_gpu_ids()} {device}")

    def __call__(self, part: Any) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while len(told_by(self._folder)) < 2:
            assert time.monotonic() < ends, told_by(self._folder)
            time.sleep(0.05)
        return super().__call__(part)


def told_by(folder: Path) -> list[str]:
    """What the actors have written: node, GPUs, and device of each."""
    return [path.read_text() for path in folder.glob("*.actor")]
