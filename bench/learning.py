"""What SimCLR learns: retrieval by h, by the untrained network, and by colour, on one collection.

    python -m bench.learning swatches --minutes 1
    python -m bench.learning flowers5 --preset photos-small --minutes 30
    python -m bench.learning cifar10/test --minutes 10 --image-size 32 --width 0.25 --batch-size 128

Trains on the pictures without their labels, then scores leave-one-out retrieval with the folders
as labels. `swatches` draws the demo's collection and takes the demo's settings. Prints a Markdown
table with settings and time; an interrupted run goes on when it is given the same `--out`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

from bench.machine import machine
from clr_search.demo.run import SWATCHES_EACH
from clr_search.demo.swatches import write_collection
from clr_search.evaluate.compare import compare, table
from clr_search.export.onnx import export_run
from clr_search.files.finding.find import find_images
from clr_search.progress import for_terminal
from clr_search.train import TrainConfig, demo_config, load_run, train, write_initial_run
from clr_search.train.settings.presets import PresetName, preset


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", help="a folder of folders, or: swatches")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--preset", choices=get_args(PresetName))
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--grow-from", type=int)
    parser.add_argument("--width", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the run and the encoders here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given, given.out or Path(folder))


def measure(given: argparse.Namespace, out: Path) -> None:
    """Everything, in `out`."""
    reporter = for_terminal()
    seconds = 60 * given.minutes
    if given.images == "swatches":
        images = write_collection(
            out / "images", each=SWATCHES_EACH, seed=given.seed, reporter=reporter
        )
        config = demo_config(seconds=seconds, seed=given.seed)
    else:
        images = Path(given.images)
        base = TrainConfig() if given.preset is None else preset(given.preset).config
        names = ("image_size", "grow_from", "width", "batch_size")
        asked = {name: getattr(given, name) for name in names}
        changes = {name: value for name, value in asked.items() if value is not None}
        config = replace(base, epochs=None, seconds=seconds, seed=given.seed, **changes)
    files = find_images([images])
    run, before = out / "run", out / "untrained"
    result = train([images], run, config, resume=(run / "config.json").exists(), reporter=reporter)
    if result.interrupted:
        raise SystemExit("interrupted; the same command goes on from there")
    write_initial_run(load_run(run).config, before, force=True)
    encoders = {}
    for name, source in {"untrained network": before, "SimCLR": run}.items():
        target = out / f"{name.split()[0].lower()}.onnx"
        export_run(source, target, force=True)
        encoders[name] = target
    rows = compare(files, encoders, seed=given.seed, reporter=reporter)
    settings = load_run(run).config
    print(f"{machine()}\n")
    growing = f"growing from {settings.grow_from} px, " if settings.grow_from else ""
    print(
        f"{given.images}: {len(files):,} pictures; {settings.architecture}, width "
        f"{settings.width:g}, {settings.image_size} px, {growing}batch {settings.batch_size}, "
        f"temperature {settings.temperature:g}, {settings.optimizer}, "
        f"{settings.epochs} epochs in {result.seconds:.0f} s, seed {settings.seed}\n"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
