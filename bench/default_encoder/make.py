"""The encoder that comes with the package: how it was trained, so that anyone can do it again.

    python -m bench.default_encoder.make DATA --out runs
    python -m bench.default_encoder.make DATA --out runs --install

DATA holds `imagenette128`, `tinyimagenet` and `cifar10`, whose labels are not used. Training goes
in stages, each of which begins with the weights of the one before: small views of all pictures
first, at the size that most of them have, then larger views of those that are larger. What comes
of it is the mean of the weights before and after the last stage. Interrupted
or killed, the same command goes on where it stood. `--install` writes the result into the package,
`--install-from RUN` that of another training, such as `bench/gpu/encoder.py`.

What each training came to is in LOG.md.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from clr_search.contract.shipped import DEFAULT, SHIPPED
from clr_search.export.onnx import export_run
from clr_search.progress import for_terminal
from clr_search.train import Augmentation, TrainConfig, load_run, train
from clr_search.train.network.initial import NETWORK, WEIGHTS, Shape

TINY, IMAGENETTE, CIFAR = "tinyimagenet/train", "imagenette128/train", "cifar10/train"

IMAGE_SIZE = 96
"""S of the encoder."""

LICENCE = (
    "Weights: Apache-2.0. Trained on Imagenette, Tiny-ImageNet (both derived from ImageNet, whose "
    "pictures are for research) and CIFAR-10; no picture is in the file."
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One training.

    Attributes
    ----------
    name : str
        Of its run.
    sets : tuple of str
        Folders below DATA.
    config : TrainConfig
        Its settings; the weights to begin with are those of the stage before.
    """

    name: str
    sets: tuple[str, ...]
    config: TrainConfig


BASE = TrainConfig(
    width=0.5,
    stem="imagenet",
    batch_size=128,
    loss="dcl",
    temperature=0.2,
    knn_every=0,
    checkpoint_every=1,
)

VIEWS = Augmentation(crop_scale=(0.2, 1.0), strength=0.25, grey=0.0, blur=0.0)
"""Of the pictures that are larger than small ones: colour may count."""

STRONG = Augmentation(crop_scale=(0.1, 1.0), strength=0.8, grey=0.2, blur=0.0)
"""Of the last stage, nearly SimCLR's own: what was found by colour is found by form."""

PHOTOS = (IMAGENETTE, TINY)
"""The sets of all stages but the first."""

LARGER = replace(
    BASE, image_size=64, cache_size=96, learning_rate=1.5e-3, warmup_epochs=0.3, augmentation=VIEWS
)
"""What the stages on larger pictures share."""

STAGES = (
    Stage(
        "small",
        (*PHOTOS, CIFAR),
        replace(
            BASE,
            image_size=40,
            cache_size=64,
            temperature=0.15,
            learning_rate=2e-3,
            epochs=5,
            warmup_epochs=0.5,
            augmentation=Augmentation(crop_scale=(0.2, 1.0), strength=0.5, grey=0.1, blur=0.0),
        ),
    ),
    Stage("large", PHOTOS, replace(LARGER, grow_from=40, epochs=8)),
    Stage("longer", PHOTOS, replace(LARGER, grow_from=48, epochs=7)),
    Stage("forty", PHOTOS, replace(LARGER, grow_from=48, epochs=40, warmup_epochs=0.5)),
    Stage(
        "whole",
        PHOTOS,
        replace(
            LARGER,
            image_size=112,
            grow_from=80,
            cache_size=128,
            learning_rate=5e-4,
            epochs=4,
            warmup_epochs=0.2,
        ),
    ),
    Stage("strong", PHOTOS, replace(LARGER, epochs=4, augmentation=STRONG)),
)


def make(data: Path, out: Path) -> Path:
    """Train all stages, or go on with them; the run of the mean of the last two."""
    before: Path | None = None
    for stage in STAGES:
        run = out / stage.name
        config = replace(stage.config, init=None if before is None else str(before.resolve()))
        folders = [data / name for name in stage.sets]
        resume = (run / "config.json").exists()
        result = train(folders, run, config, resume=resume, reporter=for_terminal())
        if result.interrupted:
            raise SystemExit("interrupted; the same command goes on from there")
        before = run
    last_two = [out / stage.name for stage in STAGES[-2:]]
    return averaged(last_two[0], last_two[1], out / "mean")


def averaged(first: Path, second: Path, out: Path) -> Path:
    """A run as the second, with the mean of the weights of two of which one began with the other.

    Such a mean finds nearly as well as the better of them in what either was trained for (model
    soups, arXiv 2203.05482).
    """
    shutil.copytree(second, out, dirs_exist_ok=True)
    before, after = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    tensors = {
        name: (before[name].float() + tensor) / 2 if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }
    shape = Shape.of(load_run(second).config)
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt", NETWORK: shape.to_json()})
    return out


def install(run: Path, image_size: int, whiten_on: Sequence[Path]) -> None:
    """Write encoder and weights into the package, both with half-precision numbers."""
    SHIPPED.mkdir(exist_ok=True)
    export_run(
        run,
        SHIPPED / "encoder.onnx",
        name=DEFAULT,
        licence=LICENCE,
        image_size=image_size,
        precision="fp16",
        whiten_on=whiten_on,
        force=True,
        reporter=for_terminal(),
    )
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(run / WEIGHTS).items()
    }
    shape = replace(Shape.of(load_run(run).config), image_size=image_size)
    save_file(tensors, SHIPPED / WEIGHTS, metadata={"format": "pt", NETWORK: shape.to_json()})


def main() -> None:
    """Train, and install where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the runs")
    parser.add_argument("--install", action="store_true", help="write it into the package")
    parser.add_argument("--install-from", type=Path, help="a finished run; trains nothing")
    given = parser.parse_args()
    run = given.install_from or make(given.data, given.out)
    if given.install or given.install_from:
        install(run, IMAGE_SIZE, [given.data / IMAGENETTE, given.data / TINY])


if __name__ == "__main__":
    main()
