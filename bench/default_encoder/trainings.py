"""What makes a training better or cheaper, one thing changed at a time against one base.

    python -m bench.default_encoder.trainings DATA --out DIR [--cells base crops-8 …]
    python -m bench.default_encoder.trainings DATA --speed

DATA holds `imagenette128` and `flowers5`. Each cell is a small network from random weights, trained
without labels on the training pictures of Imagenette, all for as many epochs but where that is
what is changed. Scored is plain h at 96 pixels, by cosine: all flowers, and all validation pictures
of Imagenette, each among the others of its set; and the validation pictures by a vote of the
training pictures. Started again with the same DIR, it goes on where it stood.

`--speed` trains nothing and measures what a cell costs: processor time of training for a picture,
and of one picture through the network on one core. It wants a machine without other work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from bench.default_encoder.make import BASE, IMAGE_SIZE, IMAGENETTE, VIEWS
from bench.default_encoder.variants import Vectors, unit
from bench.machine import machine
from clr_search import images
from clr_search.contract.model_file import IMAGES
from clr_search.contract.runtime import open_session
from clr_search.evaluate.retrieval import knn_accuracy, leave_one_out
from clr_search.export.onnx import export_run
from clr_search.files.finding.find import find_images
from clr_search.files.write import write_atomically
from clr_search.progress import for_terminal
from clr_search.train import Augmentation, TrainConfig, load_run, train, write_initial_run
from clr_search.train.data.batches import Batch, batches, epoch_order
from clr_search.train.data.collection import Collection
from clr_search.train.data.decode import decode_collection
from clr_search.train.hardware import tuned_for
from clr_search.train.methods import build_method
from clr_search.train.network.average import Average
from clr_search.train.network.backbone import Backbone
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.step import take_step
from clr_search.train.rng import generator_for
from clr_search.train.settings.choices import resolve

VAL, FLOWERS = "imagenette128/val", "flowers5"

EPOCHS = 10
"""About three minutes of the base on two cores with AVX-512 bf16 that have nothing else to do."""

BASIS = replace(
    BASE,
    loss="nt-xent",
    image_size=64,
    cache_size=96,
    learning_rate=1.5e-3,
    epochs=EPOCHS,
    warmup_epochs=1.0,
    augmentation=VIEWS,
)

MEASURES = {
    "flowers R@1": "flowers5 R@1",
    "flowers P@10": "P@10",
    "flowers kNN": "kNN",
    "val R@1": "Imagenette val R@1",
    "val P@10": "P@10",
    "val kNN": "kNN",
    "bank kNN": "kNN against its training set",
}

_BATCH = 128
_TURNS = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """One training.

    Attributes
    ----------
    key : str
        Of its folder.
    name : str
        What is changed.
    changed : dict of str to Any
        Settings that are not the base's.
    """

    key: str
    name: str
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> TrainConfig:
        """All settings."""
        return replace(BASIS, **self.changed)


def views(**changed: Any) -> dict[str, Augmentation]:
    """The base's augmentation but for this."""
    return {"augmentation": replace(VIEWS, **changed)}


CELLS = (
    Cell("base", "base: NT-Xent, seed 0"),
    Cell("base-1", "base, seed 1", {"seed": 1}),
    Cell("dcl", "DCL", {"loss": "dcl"}),
    Cell("crops-8", "crops from 8 % of the area", views(crop_scale=(0.08, 1.0))),
    Cell("crops-40", "crops from 40 %", views(crop_scale=(0.4, 1.0))),
    Cell("blur", "blur of every other view", views(blur=0.5)),
    Cell("colour-50", "colour strength 0.5", views(strength=0.5)),
    Cell(
        "batch-512",
        "batch 512 by gradient caching, rate × √4",
        {"batch_size": 512, "micro_batch": 128, "learning_rate": 3e-3},
    ),
    Cell("average", "average of the weights, decay 0.999", {"average": 0.999}),
    Cell(
        "multi-crop",
        "four local views of 32 px besides, of 5 to 20 % of the area",
        {"local_views": 4, "local_size": 32, **views(local_scale=(0.05, 0.2))},
    ),
    Cell(
        "multi-crop-wide",
        "the same of 10 to 40 %",
        {"local_views": 4, "local_size": 32, **views(local_scale=(0.1, 0.4))},
    ),
    Cell("width-25", "width 0.25", {"width": 0.25}),
    Cell("longer", "twice the epochs", {"epochs": 2 * EPOCHS}),
    Cell("width-100", "width 1", {"width": 1.0}),
    Cell("grow", "views that grow from 32 to 64 px", {"grow_from": 32}),
    Cell(
        "grow-longer", "the same, one and a half times the epochs", {"grow_from": 32, "epochs": 15}
    ),
)


class Squares(NamedTuple):
    """Pictures of a folder as they are embedded, uint8 [N, S, S, 3], and their classes."""

    pixels: NDArray[np.uint8]
    labels: list[str]


@cache
def squares(folder: Path) -> Squares:
    """Decode a folder, once."""
    files = [file for file in find_images([folder]) if file.label is not None]
    loaded = (images.load(file.path, at_least=IMAGE_SIZE).pixels for file in files)
    pixels = np.stack([images.square(one, IMAGE_SIZE) for one in loaded])
    return Squares(pixels, [str(file.label) for file in files])


@torch.inference_mode()
def vectors(encoder: Backbone, found: Squares) -> Vectors:
    """Plain h of unit length."""
    parts = []
    for start in range(0, len(found.pixels), _BATCH):
        pixels = torch.from_numpy(found.pixels[start : start + _BATCH])
        parts.append(encoder(pixels.permute(0, 3, 1, 2).float() / 255).numpy())
    return unit(np.concatenate(parts))


def scores(encoder: Backbone, data: Path) -> dict[str, float]:
    """`MEASURES` of an encoder, in per cent."""
    result = {}
    for name, folder in (("flowers", FLOWERS), ("val", VAL)):
        found = squares(data / folder)
        score = leave_one_out(vectors(encoder, found), found.labels)
        result[f"{name} R@1"] = score.recall_at_1
        result[f"{name} P@10"] = score.precision_at_10
        result[f"{name} kNN"] = score.knn_accuracy
    bank, asked = squares(data / IMAGENETTE), squares(data / VAL)
    result["bank kNN"] = knn_accuracy(
        vectors(encoder, bank), bank.labels, vectors(encoder, asked), asked.labels
    )
    return {name: 100 * value for name, value in result.items()}


def trained(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """Train a cell and score it; what an earlier start has done stays done."""
    run, done = out / cell.key / "run", out / cell.key / "scores.json"
    result = train(
        [data / IMAGENETTE],
        run,
        cell.config,
        resume=(run / "config.json").exists(),
        reporter=for_terminal(),
    )
    if result.interrupted:
        raise SystemExit("interrupted; the same command goes on from there")
    if not done.exists():
        found = scores(load_run(run).encoder, data)
        write_atomically(done, json.dumps(found).encode())
    kept: dict[str, float] = json.loads(done.read_text())
    return kept


def train_all(cells: Sequence[Cell], data: Path, out: Path) -> None:
    """Train what there is no result of, and print the table."""
    print(f"{machine()}\n\n{EPOCHS} epochs, per cent\n")
    print(f"| | {' | '.join(MEASURES.values())} |\n|---|" + "---|" * len(MEASURES))
    for cell in cells:
        found = trained(cell, data, out)
        numbers = " | ".join(f"{found[name]:.1f}" for name in MEASURES)
        print(f"| {cell.name} | {numbers} |", flush=True)


def quickest(work: Sequence[Callable[[], object]]) -> list[float]:
    """Processor seconds of each, the least of some turns that all take by turns."""
    least = [float("inf")] * len(work)
    for _ in range(_TURNS):
        for number, one in enumerate(work):
            began = time.process_time()
            one()
            least[number] = min(least[number], time.process_time() - began)
    return least


def step_of(config: TrainConfig, collection: Collection) -> Callable[[], object]:
    """A step of a training, ready to be taken any number of times."""
    resolved = resolve(config, len(collection))
    method = build_method(resolved, collection)
    method.networks.train()
    optimizer = build_optimizer(method.networks, resolved)
    order = epoch_order(len(collection), 0, 0)
    device = torch.device(resolved.device)
    batch: Batch = next(
        batches(collection, order, resolved.batch_size, resolved.image_size, device)
    )
    generator = generator_for(0, "timing")
    decay = resolved.average
    average = None if decay is None else Average(method.networks, decay)

    def work() -> None:
        take_step(method, optimizer, batch, 1e-6, generator)
        if average is not None:
            average.update(method.networks, 1)

    return work


def embedding_of(
    config: TrainConfig, folder: Path, pixels: NDArray[np.uint8]
) -> Callable[[], object]:
    """Pictures through the exported encoder, one by one and on one core, ready to be timed."""
    run = write_initial_run(config, folder / "run", force=True)
    export_run(run, folder / "encoder.onnx", image_size=IMAGE_SIZE, force=True)
    session = open_session((folder / "encoder.onnx").read_bytes(), 1)

    def work() -> None:
        for at in range(_BATCH):
            session.run(None, {IMAGES: pixels[at : at + 1]})

    work()
    return work


def speed(cells: Sequence[Cell], data: Path) -> None:
    """Print what cells and their networks cost, on one core: processor time, the least of turns."""
    torch.set_num_threads(1)
    files = find_images([data / IMAGENETTE])[::18]  # enough for the largest batch
    assert BASIS.cache_size is not None
    collection = decode_collection(files, BASIS.cache_size, "memory", Path(), for_terminal())
    pixels = squares(data / VAL).pixels[:_BATCH]
    with tempfile.TemporaryDirectory() as folder, tuned_for("cpu"):
        steps = quickest([step_of(cell.config, collection) for cell in cells])
        networks = {cell.config.width: cell.config for cell in cells}
        runs = quickest([embedding_of(one, Path(folder), pixels) for one in networks.values()])
    print(f"{machine()}\n\n| | training, ms a picture |\n|---|---|")
    for cell, step in zip(cells, steps, strict=True):
        print(f"| {cell.name} | {1000 * step / (cell.config.batch_size or 1):.2f} |")
    print("\n| network | embedding, ms a picture |\n|---|---|")
    for width, run in zip(networks, runs, strict=True):
        print(f"| width {width:g} | {1000 * run / _BATCH:.2f} |")


def main() -> None:
    """Train, or time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="the runs")
    parser.add_argument("--cells", nargs="+", choices=[cell.key for cell in CELLS])
    parser.add_argument("--speed", action="store_true", help="time them instead")
    given = parser.parse_args()
    cells = [cell for cell in CELLS if given.cells is None or cell.key in given.cells]
    if given.speed:
        speed(cells, given.data)
    elif given.out is None:
        parser.error("training needs --out")
    else:
        train_all(cells, given.data, given.out)


if __name__ == "__main__":
    main()
