"""Make the artefacts of one release, for later releases to prove that they still read them.

It uses only what releases have in common, so that it runs with an older checkout. From this one::

    git worktree add /tmp/older COMMIT
    PYTHONPATH=/tmp/older python tests/compatibility/make.py tests/compatibility/COMMIT.zip

It trains a network of a few kilobytes on drawn pictures, once in one go and once until it is
interrupted in the middle of an epoch; exports it; fits a probe; builds a collection that is
searched exactly and one with a FAISS generation; and notes in ``expected.json`` what it has found.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # behind the older checkout
from drawn import draw_pictures

from clr_search import Encoder, Index, Probe, __version__
from clr_search.cli.main import main
from clr_search.export.onnx import export_run
from clr_search.progress import Silent
from clr_search.train import TrainConfig, load_run, train

ROOT = Path("/tmp/clr-search-compatibility")
"""The collections keep the absolute paths of their pictures: this place is no one's home."""

FEW, MANY = 8, 40
"""Pictures of each kind that are trained on, and that are in the large collection."""

WIDTH = 1 / 32
STEPS = 4  # before the interruption: in the middle of the second of three epochs


class Interrupting(Silent):
    """A reporter that asks this process to stop after `STEPS`, as Ctrl-C does."""

    left = STEPS

    def begin(self, what: str, total: int | None, unit: str) -> None:
        """Count steps only."""
        self.counts = what == "Training"

    def advance(self, count: int = 1, note: str = "") -> None:
        """Interrupt at the last step."""
        self.left -= self.counts
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def set_constant(name: str, value: object, *homes: str) -> None:
    """Set a constant in the first of the modules that has it; they have been moved and renamed."""
    for home in homes:
        try:
            module = importlib.import_module(f"clr_search.{home}")
        except ModuleNotFoundError:
            continue
        if hasattr(module, name):
            setattr(module, name, value)
            return
    raise SystemExit(f"{name} is in none of {homes}: add its home to {__file__}.")


def make_run(pictures: Path, folder: Path) -> dict[str, Any]:
    """Train once in one go, for what is expected, and once until the interruption, for the run."""
    set_constant("WIDTHS", (WIDTH,), "train.settings.config", "train.config")
    config = TrainConfig(
        width=WIDTH,
        stem="cifar",
        image_size=16,
        head_dim=8,
        batch_size=8,
        epochs=3,
        optimizer="lars",
        knn_every=1,
        checkpoint_every=1,
        device="cpu",
        precision="fp32",
    )
    train([pictures], folder / "whole", config)
    stopped = train([pictures], folder / "run", config, reporter=Interrupting())
    assert stopped.interrupted
    assert stopped.epochs == 1
    return {"metrics": load_run(folder / "whole").metrics}


def make_collection(path: Path, encoder: Path, pictures: Path) -> dict[str, Any]:
    """Index pictures; tell what every item is, and what searches from some of them found."""
    with Index.create(path, encoder) as index:
        index.update([pictures])
        items = index.items(index.ids())
        asked = [item.id for item in items[:: len(items) // 6]]
        return {
            "items": [[item.id, item.relative, item.label, item.sha256] for item in items],
            "structure": index.info().structure,
            "searches": [
                {"id": number, "ids": found.ids.tolist(), "scores": found.scores.tolist()}
                for number in asked
                for found in [index.search(number, 5)]
            ],
        }


def make_all(folder: Path) -> dict[str, Any]:
    """Make everything in a folder; return what is expected of it."""
    few = draw_pictures(ROOT / "few", FEW)
    many = draw_pictures(ROOT / "many", MANY)
    run = make_run(few, folder)
    encoder = folder / "encoder.onnx"
    export_run(folder / "whole", encoder, name="compatibility")
    shutil.rmtree(folder / "whole")
    small = make_collection(folder / "small.clr", encoder, few)
    set_constant("EXACT_ITEMS", 50, "index.ann.structures", "index.ann")
    large = make_collection(folder / "large.clr", encoder, many)
    probe = folder / "probe.onnx"
    main(["probe", str(folder / "large.clr"), "--out", str(probe)], standalone_mode=False)
    paths = sorted(few.rglob("*.bmp"))
    return {
        "version": __version__,
        "run": run,
        "small.clr": small,
        "large.clr": large,
        "vectors": Encoder(encoder).encode(paths).tolist(),
        "probabilities": Probe(probe).predict_proba(paths).tolist(),
    }


def write_archive(out: Path) -> None:
    """Make everything, and pack it."""
    shutil.rmtree(ROOT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        expected = make_all(folder)
        (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
        (folder / "golden.json").unlink()  # as long as all others together
        (folder / "run" / "curves.png").unlink(missing_ok=True)
        assert not any(path.stat().st_size for path in folder.rglob("*-wal"))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name != "lock" and not path.match("*-[sw][ha][ml]"):
                    archive.write(path, path.relative_to(folder))
    shutil.rmtree(ROOT)


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]))
