"""The encoder that ships, trained on in ten minutes of a GPU.

    python -m bench.gpu.packed DATA --out packed          # where the pictures are
    python -m bench.gpu.encoder packed --out job --minutes 8.5
    python -m bench.default_encoder.make DATA --out runs --install-from job/large

Checks first that training does the same on the GPU as on the processor (`bench/gpu/smoke.py`), and
prints what it found. Then goes on from the weights that ship, on the recipe of
`bench/default_encoder/make.py`, with a batch four times as large and AdamW's rate twice as high:
small views for most of the time, then larger ones. A checkpoint is written every minute, so that a
job that is cut short leaves one; the same command goes on from it. `--rehearse` trains on 512 of
the pictures with small views, in a minute of a processor.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import replace
from pathlib import Path

from bench.default_encoder.make import LARGER, PHOTOS, TINY
from bench.gpu import packed, smoke
from bench.machine import machine
from clr_search.progress import for_terminal
from clr_search.train import TrainConfig, train

_SMALL = 0.65
"""Share of the time for small views; larger ones cost three times as much (see LOG.md)."""

_CLOSING = 20.0  # seconds for writing what is left to write


def stage(device: str, seconds: float, side: int, init: str) -> TrainConfig:
    """The settings of a stage whose views have `side` pixels."""
    small = side <= 64
    return replace(
        LARGER,
        device=device,
        init=init,
        image_size=side,
        grow_from=None if small else 80,
        cache_size=96 if small else 128,
        batch_size=512,
        learning_rate=3e-3 if small else 1.6e-3,
        warmup_epochs=1.0,
        seconds=seconds,
        epochs=None,
        checkpoint_minutes=1.0,
    )


def rehearsed(config: TrainConfig, seconds: float) -> TrainConfig:
    """The same stage, small enough for a processor."""
    side = 32 if config.image_size <= 64 else 48
    return replace(
        config, image_size=side, grow_from=None, cache_size=64, batch_size=64, seconds=seconds
    )


def few(folder: Path, count: int, out: Path) -> Path:
    """The first pictures of each set, in a folder of their own."""
    for name in PHOTOS:
        for file in sorted((folder / name).rglob("*.jpg"))[:: 60 if name == TINY else 20][:count]:
            target = out / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return out


def main() -> None:
    """Check, train, and tell how far it has come."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packed", type=Path, help="folder of pictures*.zip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, default=Path("pictures"), help="unpacked here")
    parser.add_argument("--minutes", type=float, default=8.5, help="for all of it")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    print(machine(), "\n", flush=True)
    smoke.require(given.device)
    good = smoke.run(given.device)
    packed.unpack(given.packed, given.pictures)
    pictures = given.pictures
    if given.rehearse:
        pictures = few(given.pictures, 256, given.out / "few")
    left = 60 * given.minutes - (time.monotonic() - began) - _CLOSING
    init = "default"
    for name, side, share in (("small", 64, _SMALL), ("large", 112, 1 - _SMALL)):
        config = stage(given.device, share * left, side, init)
        if given.rehearse:
            config = rehearsed(config, share * left)
        run = given.out / name
        begun = (run / "config.json").exists()
        result = train(
            [pictures / name for name in PHOTOS],
            run,
            replace(config, seconds=None) if begun else config,  # the time given at first holds
            resume=begun,
            reporter=for_terminal(),
        )
        print(
            f"\n{name}: {result.epochs} epochs in {result.seconds / 60:.1f} minutes, "
            f"{result.images_per_second or 0:,.0f} images/s, loss {result.loss or 0:.3f}",
            flush=True,
        )
        if result.interrupted:
            raise SystemExit("interrupted; the same command goes on from there")
        init = str(run.resolve())
    raise SystemExit(0 if good else "trained, but a check before it has failed; see above")


if __name__ == "__main__":
    main()
