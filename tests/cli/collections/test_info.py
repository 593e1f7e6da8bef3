"""``info``."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from dataclasses import asdict
from pathlib import Path

import onnx
import pytest

from clr_search.train.monitor.metrics import Row, append_row
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from tests.cli.conftest import Run


def test_an_encoder(run: Run, tiny_encoder: Path) -> None:
    lines = run("info", tiny_encoder, "--check").stdout.splitlines()
    assert lines[0].endswith("encoder.onnx: encoder, 9.8 kB")
    facts = {line[:18].strip(): line[18:].strip() for line in lines[1:]}
    assert (facts["name"], facts["image size"], facts["embedding dim"]) == ("tiny", "32", "16")
    assert facts["check"].startswith("golden picture matches, off by ")
    assert "classes" not in facts


def test_an_encoder_for_programs(run: Run, tiny_encoder: Path) -> None:
    facts = json.loads(run("info", tiny_encoder, "--json").stdout)
    assert (facts["kind"], facts["image_size"], facts["classes"]) == ("encoder", 32, [])
    assert "golden_difference" not in facts
    assert json.loads(run("info", tiny_encoder, "--json", "--check").stdout)[
        "golden_difference"
    ] == pytest.approx(0, abs=1e-4)


def test_a_probe(run: Run, probe: Path) -> None:
    text = run("info", probe).stdout
    assert "probe.onnx: probe, " in text
    assert "3: blue, green, red\n" in text


def test_a_collection(run: Run, collection: Path, pictures: Path) -> None:
    facts = json.loads(run("info", collection, "--json", "--check").stdout)
    assert (facts["kind"], facts["count"], facts["dimension"]) == ("collection", 36, 16)
    assert facts["roots"] == [str(pictures)]
    assert facts["golden_difference"] <= 1e-4
    lines = run("info", collection).stdout.splitlines()
    assert "pictures.clr: collection, " in lines[0]
    assert lines[1].split() == ["images", "36"]


def row_of(epoch: int, accuracy: float | None) -> Row:
    """Metrics of one epoch of 30 seconds."""
    return Row(
        epoch=epoch,
        step=epoch,
        images=100,
        loss=5 / epoch,
        learning_rate=0.1,
        contrastive_accuracy=0.5,
        images_per_second=120,
        data_wait=0.01,
        seconds=30,
        knn_accuracy=accuracy,
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of two epochs, as far as its text files go."""
    folder = tmp_path / "run"
    folder.mkdir()
    config = resolve(TrainConfig(device="cpu", precision="fp32", epochs=2), images_count=100)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    for epoch, accuracy in ((1, 0.25), (2, None)):
        append_row(folder / "metrics.jsonl", row_of(epoch, accuracy))
    return folder


def test_a_run(run: Run, finished: Path) -> None:
    (finished / "weights.safetensors").touch()
    lines = run("info", "run").stdout.splitlines()
    assert lines[0] == "run: run, 2 of 2 epochs"
    facts = {name: value for name, _, value in (line[2:].partition("  ") for line in lines[1:])}
    assert facts["loss"].strip() == "2.5"
    assert facts["kNN accuracy"].strip() == "25.0 %"
    assert facts["trained for"].strip() == "1 min 0 s"
    assert "weights" not in facts
    result = json.loads(run("info", finished, "--json").stdout)
    assert (result["kind"], result["epochs"], result["weights"]) == ("run", 2, True)
    assert result["last"] == asdict(row_of(2, None))
    assert result["config"]["temperature"] == 0.1


def test_a_run_that_was_cut_short(run: Run, finished: Path) -> None:
    (finished / "metrics.jsonl").unlink()
    lines = run("info", "run").stdout.splitlines()
    assert lines[0] == "run: run, untrained"
    assert "none yet; finish it with: clr-search train" in lines[1]
    result = run("info", "run", "--check", exit_code=2)
    assert result.stderr == (
        "Error: run is a run, and --check is for ONNX files and collections.\n"
        "Export it first: clr-search export run --out encoder.onnx\n"
    )


def test_what_is_none_of_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert run("info", "nope", exit_code=2).stderr == (
        "Error: There is no file or folder nope.\nCheck the spelling, or give an absolute path.\n"
    )
    assert run("info", "folder", exit_code=2).stderr == (
        "Error: folder is neither a run nor a collection: it has no config.json and no "
        "catalog.sqlite.\nGive a run, an .onnx file or a collection.\n"
    )
    (tmp_path / "text.onnx").write_text("not a model")
    result = run("info", "text.onnx", exit_code=2)
    assert result.stderr.startswith("Error: text.onnx is not a whole ONNX file: ")


def test_a_file_that_does_not_give_its_golden_vector(
    run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    model = onnx.load(tiny_encoder)
    (weights,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith("w2")]
    values = onnx.numpy_helper.to_array(weights) * -1
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    onnx.save(model, tmp_path / "altered.onnx")
    assert run("info", "altered.onnx").stderr == ""
    result = run("info", "altered.onnx", "--check", exit_code=1)
    assert result.stdout == ""
    assert "altered.onnx does not give its golden vector here: off by " in result.stderr


def test_a_structure_that_another_processor_has_chosen_is_told(
    run: Run, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clr_search.index.ann.structures.EXACT_ITEMS", 5)
    built = run("build-index", "--index", own, "--retune", "--json")
    assert built.exit_code == 0, built.output
    shown = run("info", own).stdout
    assert "chosen on" not in shown
    assert re.search(r"IVF,SQ8 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+", shown)
    monkeypatch.setattr("clr_search.index.ann.generations.processor", lambda: "another")
    assert "--retune" in run("info", own).stdout
    assert json.loads(run("info", own, "--json").stdout)["chosen_on"]


def test_embeddings_of_an_older_release_are_told(run: Run, own: Path) -> None:
    assert "decoding" not in run("info", own).stdout
    with contextlib.closing(sqlite3.connect(own / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("DELETE FROM meta WHERE key LIKE 'decoding%'")
    assert "decoding" in run("info", own).stdout
    assert json.loads(run("info", own, "--json").stdout)["older_decoding"]
