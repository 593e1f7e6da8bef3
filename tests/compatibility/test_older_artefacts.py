"""What an older release has written is opened, searched, brought up to date and trained on.

The artefacts lie in one archive for each release; `make.py` made them there, and `expected.json`
says what that release found in them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clr_search import Encoder, Index, Probe
from clr_search.contract.model_file import TOLERANCE
from clr_search.files.write import sha256_file
from clr_search.index.ann import structures
from clr_search.index.repair import repair
from tests.compatibility.drawn import KINDS, draw_pictures
from tests.compatibility.make import FEW, MANY, ROOT, WIDTH
from tests.index.made import Heard, sqlite_of

ARCHIVES = sorted(Path(__file__).parent.glob("*.zip"))

STORED = 1e-5
"""Scores are products of vectors that are stored: only the order of the sum may differ."""

LEARNED = 1e-3
"""After nine steps from the same start, on another processor with other kernels."""


@dataclass(frozen=True, slots=True)
class Older:
    """The artefacts of an older release, unpacked, with the pictures they were made of."""

    folder: Path
    expected: dict[str, Any]
    few: Path
    many: Path
    messages: Heard = field(default_factory=Heard)

    def collection(self, name: str) -> Path:
        """A collection as if its pictures had been in this test's folder when it was made.

        It keeps absolute paths. That one is changed in SQLite, past all our code.
        """
        path = self.folder / name
        with closing(sqlite_of(path)) as connection:
            for kept, here in ((f"{ROOT}/few", self.few), (f"{ROOT}/many", self.many)):
                connection.execute("UPDATE roots SET path = ? WHERE path = ?", (str(here), kept))
        return path


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Older:
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "older")
    folder = tmp_path.resolve() / "older"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    few = draw_pictures(tmp_path.resolve() / "few", FEW)
    many = draw_pictures(tmp_path.resolve() / "many", MANY)
    return Older(folder, expected, few, many)


def test_there_are_artefacts_of_an_older_release() -> None:
    assert ARCHIVES


# -- collection.clr


@pytest.mark.parametrize("name", ["small.clr", "large.clr"])
def test_a_collection_opens_and_is_whole(older: Older, name: str) -> None:
    expected = older.expected[name]
    pictures = older.few if name == "small.clr" else older.many
    assert repair(older.folder / name).whole
    with Index.open(older.folder / name, reporter=older.messages) as index:
        items = index.items(index.ids())
        assert [[i.id, i.relative, i.label, i.sha256] for i in items] == expected["items"]
        assert [sha256_file(pictures / item.relative) for item in items] == [
            item.sha256 for item in items
        ]
        assert index.info().structure == expected["structure"]
        index.encoder.check()
    assert older.messages.messages == []


def test_the_collections_are_searched_in_both_ways(older: Older) -> None:
    assert older.expected["small.clr"]["structure"] == "exact"
    assert older.expected["large.clr"]["structure"].startswith("IVF")


@pytest.mark.parametrize("name", ["small.clr", "large.clr"])
def test_a_collection_is_searched_as_it_was(older: Older, name: str) -> None:
    with Index.open(older.folder / name, reporter=older.messages) as index:
        for search in older.expected[name]["searches"]:
            found = index.search(search["id"], 5)
            assert found.ids.tolist() == search["ids"]
            assert found.scores == pytest.approx(search["scores"], abs=STORED)
            many = index.search_vectors(index.vectors_of([search["id"]]), 6)
            assert many.ids[0].tolist()[1:] == search["ids"]
            assert many.scores[0, 1:] == pytest.approx(search["scores"], abs=STORED)
    assert older.messages.messages == []


@pytest.mark.parametrize("name", ["small.clr", "large.clr"])
def test_a_collection_is_searched_by_a_picture(older: Older, name: str) -> None:
    with Index.open(older.collection(name)) as index:
        for search in older.expected[name]["searches"]:
            found = index.search(index.item(search["id"]).path, 5)
            assert found.scores == pytest.approx(search["scores"], abs=10 * TOLERANCE)


@pytest.mark.parametrize("name", ["small.clr", "large.clr"])
def test_a_collection_is_brought_up_to_date(
    older: Older, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 50)
    pictures = older.few if name == "small.clr" else older.many
    count = len(older.expected[name]["items"])
    with Index.open(older.collection(name), writable=True, reporter=older.messages) as index:
        assert index.update([pictures]).unchanged == count
        first, second, third = (pictures / kind / "00.bmp" for kind in KINDS)
        shutil.copyfile(second, pictures / "copy.bmp")
        first.write_bytes(third.read_bytes())
        third.unlink()
        report = index.update([pictures])
        assert (report.added, report.changed, report.removed) == (1, 1, 1)
        assert report.unchanged == count - 2
        assert len(index) == count
        found = index.search(second, 1)
        assert (found[0].path, found[0].score) == (pictures / "copy.bmp", pytest.approx(1))
        assert index.info().structure == older.expected[name]["structure"]
    migrated, columns, dismissals, notes = older.messages.messages
    assert "the next update reads" in columns
    assert "from schema version 2 to 3" in migrated
    assert "from schema version 4 to 5" in dismissals
    assert "from schema version 5 to 6" in notes
    assert repair(older.folder / name).whole


def test_a_damaged_search_structure_is_made_anew(
    older: Older, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structures, "EXACT_ITEMS", 50)
    path = older.folder / "large.clr" / "ann" / "1.faiss"
    path.write_bytes(path.read_bytes()[:-8])
    with Index.open(older.folder / "large.clr", writable=True, reporter=older.messages) as index:
        assert index.info().generation == 2
        for search in older.expected["large.clr"]["searches"]:
            assert index.search(search["id"], 1).ids[0] == search["ids"][0]
    migrated, _, _, _, anew, *_ = older.messages.messages
    assert "from schema version 2 to 3" in migrated
    assert "anew from the catalogue" in anew


# -- encoder.onnx and probe.onnx


def test_an_encoder_gives_the_vectors_that_it_gave(older: Older) -> None:
    encoder = Encoder(older.folder / "encoder.onnx", threads=1)
    encoder.check()
    vectors = encoder.encode(sorted(older.few.rglob("*.bmp")))
    assert np.abs(vectors - np.float32(older.expected["vectors"])).max() <= TOLERANCE


def test_an_encoder_gives_the_vectors_that_its_collection_holds(older: Older) -> None:
    with Index.open(older.folder / "small.clr") as index:
        kept = index.vectors()[1]
        paths = [older.few / item.relative for item in index.items(index.ids())]
        assert np.abs(index.encoder.encode(paths) - kept).max() <= 1e-3  # stored as float16


def test_a_probe_classifies_as_it_did(older: Older) -> None:
    probe = Probe(older.folder / "probe.onnx", threads=1)
    assert probe.classes == KINDS
    found = probe.predict_proba(sorted(older.few.rglob("*.bmp")))
    assert np.abs(found - np.float32(older.expected["probabilities"])).max() <= 10 * TOLERANCE


# -- run/


class Interrupting(Heard):
    """A reporter that asks this process to stop after so many steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def begin(self, what: str, total: int | None, unit: str) -> None:
        self.counts = what == "Training"

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= self.counts
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def resume(older: Older, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Goes on with a copy of the run, on one thread; with `after`, until so many steps more."""
    import torch

    from clr_search.train import train
    from clr_search.train.run import load_config
    from clr_search.train.settings import declaration

    declared = declaration.settings_of

    def with_the_small_width(cls: type[Any]) -> tuple[declaration.Setting, ...]:
        return tuple(
            replace(one, choices=(*one.choices, WIDTH)) if one.name == "width" else one
            for one in declared(cls)
        )

    monkeypatch.setattr(declaration, "settings_of", with_the_small_width)

    def resumed(name: str, *, after: int | None = None) -> Path:
        out = older.folder / name
        if not out.exists():
            shutil.copytree(older.folder / "run", out)
        reporter = Heard() if after is None else Interrupting(after)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            result = train([older.few], out, load_config(out), resume=True, reporter=reporter)
        finally:
            torch.set_num_threads(threads)
        assert result.interrupted == (after is not None)
        return out

    return resumed


def test_an_interrupted_run_is_resumed_and_exported(
    older: Older, resume: Callable[..., Path]
) -> None:
    """The loss is that of the older release to rounding: bits are the same on one processor only.

    Nine steps from one start differ little, so that what was learned shows in the vectors too.
    """
    from clr_search.export.onnx import export_run
    from clr_search.train import load_run

    rows = load_run(resume("resumed")).metrics
    expected = older.expected["run"]["metrics"]
    for key in ("epoch", "step", "images", "learning_rate"):
        assert [row[key] for row in rows] == [row[key] for row in expected]
    for key in ("loss", "mean_cosine"):
        assert [row[key] for row in rows] == pytest.approx(
            [row[key] for row in expected], rel=LEARNED
        )
    export_run(older.folder / "resumed", older.folder / "resumed.onnx")
    vectors = Encoder(older.folder / "resumed.onnx").encode(sorted(older.few.rglob("*.bmp")))
    assert np.abs(vectors - np.float32(older.expected["vectors"])).max() <= LEARNED


def test_interrupted_again_and_resumed_is_bit_for_bit_the_same(
    resume: Callable[..., Path],
) -> None:
    import torch
    from safetensors.torch import load_file

    once, twice = resume("once"), resume("twice", after=2)
    twice = resume("twice")
    first, second = (load_file(run / "weights.safetensors") for run in (once, twice))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
