"""The whole way in one call, on a few pictures and a second of training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from clr_search.contract.model_file import read_model
from clr_search.demo import run as demo
from clr_search.demo.run import run_demo
from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.index import Index
from clr_search.serve import Probe


@pytest.fixture(scope="module")
def done(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> demo.DemoReport:
    return run_demo(pictures, tmp_path_factory.mktemp("demo") / "out", seconds=1)


def test_every_artefact_is_there_and_belongs_together(done: demo.DemoReport) -> None:
    assert (done.images, done.skipped, done.scored) == (36, 0, 36)
    assert done.epochs >= 1
    with Index.open(done.collection) as index:
        assert len(index) == 36
        assert index.info().encoder_sha256 == read_model(done.out / "encoder.onnx").sha256
    trained = read_model(done.out / "encoder.onnx").card
    untrained = read_model(done.out / "untrained" / "encoder.onnx").card
    assert (trained.epochs, untrained.epochs) == (done.epochs, 0)
    assert trained.architecture == untrained.architecture
    assert done.probe is not None
    assert Probe(done.probe).classes == ("blue", "green", "red")
    with Image.open(done.contact_sheet) as sheet:
        assert sheet.width > 900
    for name in ("golden.json", "run/curves.png", "run/metrics.jsonl"):
        assert (done.out / name).stat().st_size > 0


def test_a_short_training_is_told_as_such(done: demo.DemoReport) -> None:
    for epochs, told in ((6, True), (40, False)):
        assert ("--seconds 300 --force" in replace(done, epochs=epochs).table()) == told


def test_figures_are_reported_for_people_and_programs(done: demo.DemoReport) -> None:
    names = ["RGB histogram", "untrained network", "SimCLR", "chance", "majority"]
    assert [row.name for row in done.rows] == names
    saved = json.loads((done.out / "report.json").read_text())
    assert saved == json.loads(json.dumps(done.to_json()))
    text = done.table()
    assert "36 pictures" in text
    assert f"clr-search search {done.collection} PICTURE" in text
    assert f"--probe {done.probe}" in text


def test_a_second_demo_goes_on_from_the_first(done: demo.DemoReport, pictures: Path) -> None:
    weights = (done.out / "run" / "weights.safetensors").read_bytes()
    exported = (done.out / "encoder.onnx").stat().st_mtime_ns
    (done.out / "report.json").unlink()
    again = run_demo(pictures, done.out, seconds=1)
    assert again.rows == done.rows
    assert (done.out / "run" / "weights.safetensors").read_bytes() == weights
    assert (done.out / "encoder.onnx").stat().st_mtime_ns == exported
    with pytest.raises(UsageError, match="holds a demo with other settings"):
        run_demo(pictures, done.out, seconds=2)


def test_a_strange_folder_is_left_alone(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="not the folder of a demo"):
            run_demo(pictures, tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(("seconds", "seed"), [(0.0, 0), (float("nan"), 0), (1.0, -1)])
def test_impossible_numbers_are_refused(
    pictures: Path, tmp_path: Path, seconds: float, seed: int
) -> None:
    with pytest.raises(UsageError, match="Cannot train for"):
        run_demo(pictures, tmp_path / "out", seconds=seconds, seed=seed)
    assert not (tmp_path / "out").exists()


def test_no_images_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No images found"):
        run_demo(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_force_clears_what_a_demo_made_and_nothing_else(tmp_path: Path) -> None:
    settings = demo._Demo("photos", 1.0, 0)
    demo._prepare(tmp_path, settings, force=False)
    (tmp_path / "run").mkdir()
    (tmp_path / "encoder.onnx").write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("mine")
    demo._prepare(tmp_path, demo._Demo("photos", 2.0, 0), force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "notes.txt"]


def test_scores_need_two_folders_of_several_pictures(pictures: Path, tmp_path: Path) -> None:
    files = find_images([pictures])
    assert len(demo._sample(files, 0)) == 36
    assert demo._sample([file for file in files if file.label == "red"], 0) == []
    assert demo._sample(find_images([pictures / "red"]), 0) == []
    assert demo._sample(files[:14], 0) == [], "two green ones are no folder to speak of"


def test_queries_are_of_as_many_folders_as_there_are(pictures: Path) -> None:
    queries = demo._queries(find_images([pictures]), 0)
    assert len(queries) == len(set(queries)) == demo.SHEET_ROWS
    assert {query.label for query in queries} == {"red", "green", "blue"}
