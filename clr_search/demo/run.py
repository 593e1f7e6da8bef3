"""The demo: it draws pictures, trains, exports, indexes, measures and searches in one call.

Layout of the folder it writes::

    demo.json               the settings, by which an interrupted demo is recognized
    images/                 drawn swatches, unless the user gives pictures
    run/, untrained/        the training run, and the network before the training
    encoder.onnx            the encoder of the run, with golden.json beside it
    untrained/encoder.onnx  the encoder of the network before the training
    collection.clr/         the collection
    probe.onnx              a linear classifier by folder, where there are folders
    contact-sheet.png       some queries with their results
    report.json             the scores and the time of each stage
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from clr_search.demo.report import DemoReport
from clr_search.errors import UsageError, require
from clr_search.evaluate.compare import Row, compare
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.own import OwnFolder
from clr_search.files.write import atomic_path, write_atomically
from clr_search.index import Index
from clr_search.pictures import SheetRow, Tile, contact_sheet
from clr_search.progress import Reporter, Silent
from clr_search.version import __version__

SWATCHES_EACH = 32
"""Number of swatches of a family; 30 × 32 = 960 are drawn in seconds on two cores."""

MOST_SCORED = 3_000
"""Largest number of pictures for the scores; more would take longer and change little."""

_FOLDERS = ("run", "untrained", "collection.clr")
_FILES = "encoder.onnx golden.json probe.onnx contact-sheet.png report.json demo.json".split()

SHEET_ROWS, SHEET_COLUMNS = 6, 8
"""Numbers of queries on the contact sheet, and of results of each."""


@dataclass(frozen=True, slots=True)
class _Demo:
    """The settings of a demo, which are stored in demo.json."""

    images: str | None
    seconds: float
    seed: int
    version: str = __version__

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


def run_demo(
    images: Path | None,
    out: Path,
    *,
    seconds: float = 60.0,
    seed: int = 0,
    force: bool = False,
    reporter: Reporter | None = None,
) -> DemoReport:
    """Train on pictures, index them, and compare the encoder with an untrained one.

    Parameters
    ----------
    images : Path or None
        A folder of pictures; with None, swatches of cloth are drawn.
    out : Path
        Folder for all files. An interrupted demo with the same arguments continues there.
    seconds : float
        Time of the training, more than 0.
    seed : int
        Seed of the drawings, the network and the training, at least 0.
    force : bool
        Whether to start again if `out` holds an earlier demo.
    reporter : Reporter, optional
        Shows progress; silent by default.

    Raises
    ------
    UsageError
        If torch is not installed, no images are found, a number is out of range, or `out` holds
        something else.
    KeyboardInterrupt
        On Ctrl-C, after the state of the demo has been saved.

    Examples
    --------
    It takes some minutes, and needs the extra ``train``::

        print(run_demo(None, Path("clr-demo"), seconds=60).table())
    """
    require("torch", "train")
    if not seconds > 0 or seed < 0:
        raise UsageError(
            f"Cannot train for {seconds:g} seconds with seed {seed}.",
            "The time is more than 0, the seed at least 0.",
        )
    # The images are listed first, so that a wrong folder fails before any file is written.
    files = None if images is None else find_images([images])
    demo = _Demo(None if images is None else str(Path(images).resolve()), seconds, seed)
    out = Path(out)
    _prepare(out, demo, force=force)
    return _Stages(demo, out, files, reporter or Silent()).run()


def _prepare(out: Path, demo: _Demo, *, force: bool) -> None:
    """Make the folder, or check that it holds an earlier state of the same demo."""
    if out.is_dir():
        _require_ours(OwnFolder(out))
    marker = out / "demo.json"
    if marker.is_file():
        same = marker.read_text(encoding="utf-8") == demo.to_json()
        if same and not force:
            return
        if not force:
            raise UsageError(
                f"{out} holds a demo with other settings.",
                "Choose another --out, or start again with --force.",
            )
        _clear(out)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} exists already, and is not the folder of a demo.", "Choose another --out."
        )
    write_atomically(marker, demo.to_json())


def _require_ours(out: OwnFolder) -> None:
    """Refuse a folder in which a link or a pipe has a name of ours; NotOursError names it."""
    for name in (*_FOLDERS, "images"):
        with suppress(FileNotFoundError), out.within(name, make=False):
            pass
    for name in _FILES:
        (out / name).status()


def _clear(out: Path) -> None:
    """Remove what a demo makes, and nothing else; drawn swatches are kept where they fit."""
    for name in _FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


class _Stages:
    """The stages of a demo in their order; a stage whose output exists is skipped."""

    def __init__(
        self, demo: _Demo, out: Path, files: list[ImageFile] | None, reporter: Reporter
    ) -> None:
        self._demo = demo
        self._out = out
        self._files = files
        self._reporter = reporter
        self._seconds: dict[str, float] = {}

    def run(self) -> DemoReport:
        with self._timed("draw"):
            files = self._files or self._draw()
        with self._timed("train"):
            epochs = self._train(files)
        with self._timed("export"):
            self._export("run", "encoder.onnx")
            self._export("untrained", "untrained/encoder.onnx")
        with self._timed("index"):
            images, skipped = self._index(files)
        with self._timed("evaluate"):
            sample = _sample(files, self._demo.seed)
            rows = self._evaluate(sample)
        with self._timed("contact sheet"):
            self._draw_sheet(sample if rows else files, labelled=bool(rows))
        report = DemoReport(
            self._out, images, skipped, epochs, tuple(rows), len(sample), self._seconds
        )
        text = json.dumps(report.to_json(), indent=2, default=str)
        write_atomically(self._out / "report.json", text + "\n")
        return report

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Measure the seconds of a stage."""
        began = time.perf_counter()
        yield
        self._seconds[name] = round(time.perf_counter() - began, 2)

    def _draw(self) -> list[ImageFile]:
        """Draw the swatches, and return their files."""
        from clr_search.demo.swatches import write_collection

        folder = self._out / "images"
        write_collection(folder, each=SWATCHES_EACH, seed=self._demo.seed, reporter=self._reporter)
        return find_images([folder])

    def _train(self, files: Sequence[ImageFile]) -> int:
        """Train, or continue an interrupted training; return the number of epochs."""
        from clr_search.train import TrainConfig, demo_config, train, write_initial_run
        from clr_search.train.run import load_config

        run = self._out / "run"
        begun = (run / "config.json").exists()
        config: TrainConfig
        if begun:
            config = load_config(run)
        else:
            config = demo_config(seconds=self._demo.seconds, seed=self._demo.seed)
        result = train(_roots(files), run, config, resume=begun, reporter=self._reporter)
        if result.interrupted:
            raise KeyboardInterrupt
        if not (self._out / "untrained" / "config.json").exists():
            write_initial_run(load_config(run), self._out / "untrained", force=True)
        return result.epochs

    def _export(self, run: str, target: str) -> None:
        """Export the encoder of a run, unless that is done."""
        from clr_search.export.onnx import export_run

        if not (self._out / target).exists():
            self._reporter.message(f"Exporting {target} …")
            # The golden file is written last, so one without the encoder is a leftover.
            export_run(self._out / run, self._out / target, force=True)

    def _index(self, files: Sequence[ImageFile]) -> tuple[int, int]:
        """Index the pictures; return the numbers of indexed and of skipped files."""
        collection = self._out / "collection.clr"
        with Index.create(collection, self._out / "encoder.onnx") as index:
            report = index.update(_roots(files), reporter=self._reporter)
            return len(index), len(report.skipped)

    def _evaluate(self, files: Sequence[ImageFile]) -> list[Row]:
        """Compare the encoders on labelled pictures, and fit the classifier."""
        if not files:
            return []
        encoders = {
            "untrained network": self._out / "untrained" / "encoder.onnx",
            "SimCLR": self._out / "encoder.onnx",
        }
        rows = compare(files, encoders, seed=self._demo.seed, reporter=self._reporter)
        self._fit_probe()
        return rows

    def _fit_probe(self) -> None:
        """Fit a classifier on the collection, and write it."""
        from clr_search.serve.probe import fit_probe, save_probe

        target = self._out / "probe.onnx"
        with Index.open(self._out / "collection.clr") as index:
            embeddings = index.embeddings()
        fitted = fit_probe(embeddings.vectors, embeddings.labels, seed=self._demo.seed)
        save_probe(fitted, self._out / "encoder.onnx", target, force=True)

    def _draw_sheet(self, files: Sequence[ImageFile], *, labelled: bool) -> None:
        """Draw the contact sheet; with labels, it marks results of the right folder."""
        queries = _queries(files, self._demo.seed)
        rows = []
        with Index.open(self._out / "collection.clr") as index:
            for file in queries:
                if file.path not in index:
                    continue  # The file is not a usable picture.
                matches = index.search(file.path, k=SHEET_COLUMNS)
                tiles = [
                    Tile(
                        match.path,
                        match.path.name,
                        match.label or "",
                        match.score,
                        match.label == file.label if labelled else None,
                    )
                    for match in matches
                ]
                query = Tile(file.path, file.path.name, file.label or "")
                rows.append(SheetRow(query, tiles))
        sheet = contact_sheet(rows, tile=128, columns=SHEET_COLUMNS)
        with atomic_path(self._out / "contact-sheet.png") as temporary:
            sheet.save(temporary, format="PNG", optimize=True)


def _roots(files: Sequence[ImageFile]) -> list[Path]:
    """Return the folders in which the pictures were found."""
    return sorted({file.root for file in files})


def _sample(files: Sequence[ImageFile], seed: int) -> list[ImageFile]:
    """Return at most `MOST_SCORED` labelled pictures; none unless two folders have five each."""
    members: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        if file.label is not None:
            members[file.label].append(file)
    labelled = [file for group in members.values() if len(group) >= 5 for file in group]
    if len({file.label for file in labelled}) < 2:
        return []
    if len(labelled) > MOST_SCORED:
        labelled = random.Random(seed).sample(labelled, MOST_SCORED)  # noqa: S311
    return sorted(labelled)


def _queries(files: Sequence[ImageFile], seed: int) -> list[ImageFile]:
    """Return the queries of the contact sheet, of as many folders as it has rows."""
    shuffled = random.Random(seed).sample(list(files), len(files))  # noqa: S311
    first = {file.label: file for file in reversed(shuffled)}
    rest = [file for file in shuffled if file not in first.values()]
    return sorted((sorted(first.values(), key=shuffled.index) + rest)[:SHEET_ROWS])
