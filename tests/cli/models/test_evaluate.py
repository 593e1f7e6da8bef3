"""``evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Run, build
from tests.tiny import write_pictures


def test_the_three_colours_are_told_apart(run: Run, collection: Path) -> None:
    result = json.loads(run("evaluate", collection, "--json").stdout)
    assert result["collection"] == str(collection)
    assert (result["images"], result["queries"], result["unlabelled"]) == (36, 36, 0)
    for name in ("recall_at_1", "precision_at_10", "mean_average_precision", "knn_accuracy"):
        assert result[name] > 0.9
    low, high = result["probe_interval"]
    assert low < result["probe_accuracy"] <= high
    assert result["probe_held_out"] == 9


def test_for_people(run: Run, collection: Path) -> None:
    lines = run("evaluate", collection).stdout.splitlines()
    assert lines[0].endswith("pictures.clr: 36 queries")
    assert [line.split()[0] for line in lines[1:]] == ["R@1", "P@10", "mAP", "kNN", "probe"]
    assert lines[-1].endswith("%, 9 pictures held out)")


def test_without_classes(run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    flat = write_pictures(tmp_path / "pictures", each=2) / "red"
    collection = build(flat, tiny_encoder, tmp_path / "flat.clr")
    result = run("evaluate", collection, exit_code=2)
    assert "Measuring retrieval needs a class of at least two pictures" in result.stderr


def test_classes_too_small_for_a_probe(run: Run, tiny_encoder: Path, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", each=2)
    (folder / "alone").mkdir()
    (folder / "red" / "red00.jpg").rename(folder / "alone" / "red00.jpg")
    (folder / "blue" / "blue00.jpg").rename(folder / "blue00.jpg")
    collection = build(folder, tiny_encoder, tmp_path / "small.clr")
    result = run("evaluate", collection)
    assert result.stderr.splitlines() == [
        "No probe: A probe needs two classes of at least 3 pictures, but there are 4 classes, 4 of "
        "them with fewer.",
        "Left out: 1 picture without a label.",
        "Left out: 3 pictures alone in a class.",
    ]
    assert "probe" not in result.stdout


def test_a_learning_curve(run: Run, collection: Path, tmp_path: Path) -> None:
    result = run("evaluate", collection, "--curve", "curve.png")
    lines = result.stdout.splitlines()
    at = lines.index("Accuracy by labels a class, mean ± deviation")
    assert lines[at + 1].split() == ["labels", "probe", "kNN"]
    assert [line.split()[0] for line in lines[at + 2 :]] == ["1", "2", "5", "all", "chance"]
    assert Image.open(tmp_path / "curve.png").format == "PNG"
    curve = json.loads(
        run("evaluate", collection, "--curve", "curve.png", "--force", "--json").stdout
    )["curve"]
    assert [step["labels"] for step in curve["steps"]] == [3, 6, 15, 27]
    assert curve["chance"] == pytest.approx(1 / 3)
    last = curve["steps"][-1]
    cell = f"{100 * np.mean(last['probe']):.1f} ± {100 * np.std(last['probe'], ddof=1):.1f} %"
    assert cell in lines[at + 5]


def test_a_curve_is_not_overwritten(run: Run, collection: Path, tmp_path: Path) -> None:
    (tmp_path / "curve.png").write_text("precious")
    result = run("evaluate", collection, "--curve", "curve.png", exit_code=2)
    assert "curve.png exists already" in result.stderr
    assert (tmp_path / "curve.png").read_text() == "precious"
    assert "does not end in" in run("evaluate", collection, "--curve", "c.txt", exit_code=2).stderr
