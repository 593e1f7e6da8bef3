"""What is done with a damaged picture, encoder, collection, file of weights or checkpoint."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.costly import BOUNDED, COSTLY
from bench.fuzz.damage import corpus, mutated
from bench.machine import peak, reset_peak, resident
from bench.made import clustered, write_tiny_encoder, write_vectors
from clr_search import images
from clr_search.errors import ClrSearchError, ImageError
from clr_search.images import structure
from clr_search.images.formats import kind_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the reading of a damaged file came to.

    Attributes
    ----------
    read : bool
        Whether it was read; otherwise it was refused with an error of ours.
    seconds : float
        Time of the processor, all threads of this process together.
    memory : float
        The most memory above that before, in MB; 0 where that is not told.
    share : float
        What it took of the memory or time that its pixels allow, whichever is more; 1 is all.
    """

    read: bool
    seconds: float
    memory: float
    share: float = 0.0


Case = Callable[[random.Random], Outcome]
"""Damages a file by chance and reads it; what may not be is an exception."""


def measured(reading: Callable[[], object]) -> Outcome:
    """Read a damaged file, which may end in an error of ours, and say what it cost."""
    reset_peak()
    before, began = resident(), time.process_time()
    try:
        reading()
    except ClrSearchError:
        read = False
    else:
        read = True
    seconds = time.process_time() - began
    return Outcome(read, seconds, max(0.0, peak() - before))


def within(outcome: Outcome, megabytes: float, seconds: float) -> Outcome:
    """The outcome with its share of what is allowed; more than all of that is a failure."""
    assert outcome.memory < megabytes, f"{outcome.memory:.0f} MB, {megabytes:.0f} allowed"
    assert outcome.seconds < seconds, f"{outcome.seconds:.2f} s, {seconds:.2f} allowed"
    return replace(outcome, share=max(outcome.memory / megabytes, outcome.seconds / seconds))


def allowed(data: bytes) -> tuple[float, float]:
    """Megabytes and seconds that a picture may take: what its size asks for, twice over.

    Of honest pictures, large animated WebPs take the most: 16 bytes a pixel, and of their file a
    copy; progressive JPEGs take longest, some 40 nanoseconds a pixel.
    """
    try:
        promised = structure.check(data, kind_of(data))
    except ImageError:
        promised = None
    pixels = min(promised.width * promised.height, images.MAX_PIXELS) if promised else 0
    return 50 + 2 * (16 * pixels + len(data)) / 1e6, 0.2 + 2 * 40e-9 * pixels


def pictures(folder: Path) -> Case:
    """Decode, as indexing and the service do, and hold the cost against `allowed`."""
    good = corpus()
    costly = [*COSTLY.values(), *BOUNDED.values()]
    for data in good:  # the first of each kind loads its decoder
        images.decode(data)

    def case(chance: random.Random) -> Outcome:
        if chance.random() < 0.05:
            data = chance.choice(costly)(chance)
            data = mutated(data, chance) if chance.random() < 0.5 else data
        else:
            data = mutated(chance.choice(good), chance)
        least = chance.choice([None, 32, 128])
        bounds = allowed(data)

        def reading() -> None:
            picture = images.decode(data, at_least=least)
            assert picture.pixels.dtype == np.uint8
            assert picture.pixels.ndim == 3

        return within(measured(reading), *bounds)

    return case


def models(folder: Path) -> Case:
    """Load an encoder."""
    from clr_search.serve.encoder import Encoder

    good = write_tiny_encoder(folder / "good.onnx").read_bytes()
    path = folder / "damaged.onnx"
    grey = np.full((1, 20, 30, 3), 128, np.uint8)

    def case(chance: random.Random) -> Outcome:
        path.write_bytes(mutated(good, chance))
        return measured(lambda: Encoder(path).encode(grey))

    return case


def catalogues(folder: Path) -> Case:
    """Open a collection whose SQLite file is damaged, search it, list it."""
    from clr_search.index import Index

    rows = clustered(300, 24)
    encoder = write_tiny_encoder(folder / "encoder.onnx", dimension=24)
    good = write_vectors(folder / "good.clr", rows, encoder, [f"{n}.png" for n in range(300)])
    data = (good / "catalog.sqlite").read_bytes()
    path = folder / "damaged.clr"

    def reading() -> None:
        with Index.open(path) as index:
            index.search_vector(rows[0], 5)
            index.skipped()
            index.info()

    def case(chance: random.Random) -> Outcome:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(good, path)
        (path / "catalog.sqlite").write_bytes(mutated(data, chance))
        return measured(reading)

    return case
