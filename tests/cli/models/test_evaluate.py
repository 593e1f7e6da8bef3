"""``evaluate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.index import Index
from tests.cli.conftest import Run, build
from tests.tiny import write_pictures, write_tiny_encoder


def test_the_three_colours_are_told_apart(run: Run, collection: Path) -> None:
    result = json.loads(run("evaluate", collection, "--json").stdout)
    assert result["collection"] == str(collection)
    assert (result["images"], result["queries"], result["unlabelled"]) == (36, 36, 0)
    for name in ("recall_at_1", "precision_at_10", "mean_average_precision", "knn_accuracy"):
        assert result[name] > 0.9
        low, high = result["intervals"][name]
        assert 0 <= low < result[name] <= high <= 1
    low, high = result["probe_interval"]
    assert low < result["probe_accuracy"] <= high
    assert (result["probe_held_out"], result["probe_measured_by"]) == (36, "cross-validation")
    assert result["chance"]["recall_at_1"] == pytest.approx(11 / 35)
    assert result["majority"]["knn_accuracy"] == pytest.approx(1 / 3)
    assert result["chance"]["probe_accuracy"] == result["majority"]["probe_accuracy"] == 1 / 3


def test_for_people(run: Run, collection: Path) -> None:
    lines = run("evaluate", collection).stdout.splitlines()
    assert lines[0].endswith("pictures.clr: 36 queries")
    assert lines[1].split() == "measure score 95 % interval chance majority".split()
    assert [line.split()[0] for line in lines[2:]] == ["R@1", "P@10", "mAP", "kNN", "probe"]
    assert "33.3 %" in lines[-1]
    assert lines[-1].endswith("36 pictures left out in turn")


def test_labels_of_a_table(run: Run, collection: Path, pictures: Path, tmp_path: Path) -> None:
    rows = [f"{path.name},{n % 2}" for n, path in enumerate(sorted(pictures.rglob("*.*g")))]
    text = "\n".join(["path,label", *rows[:30], "nowhere.jpg,0"])
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    result = run("evaluate", collection, "--labels", "labels.csv", "--json")
    facts = json.loads(result.stdout)
    assert (facts["queries"], facts["unlabelled"]) == (30, 6)
    assert facts["chance"]["knn_accuracy"] == 1 / 2
    assert facts["recall_at_1"] < 0.9  # not the colours
    assert [row["path"] for row in facts["unmatched"]] == ["nowhere.jpg"]
    assert "  line 32: nowhere.jpg: not in the collection\n" in result.stderr


def test_a_collection_against_another(
    run: Run, collection: Path, pictures: Path, tmp_path: Path
) -> None:
    """The other lies elsewhere, lacks some pictures, and has others."""
    folder = tmp_path / "moved"
    shutil.copytree(pictures, folder)
    for path in sorted((folder / "red").iterdir())[:2]:
        path.unlink()
    Image.new("RGB", (40, 40), "white").save(folder / "red" / "white.png")
    encoder = write_tiny_encoder(tmp_path / "other.onnx", seed=5)
    build(folder, encoder, tmp_path / "other.clr")
    result = run("evaluate", collection, "other.clr", "--json")
    facts = json.loads(result.stdout)
    assert (facts["in_both"], facts["only_in_first"], facts["only_in_second"]) == (34, 2, 1)
    assert facts["other_labels"] == 0
    assert [one["measure"] for one in facts["measures"]][-1] == "probe_accuracy"
    assert len(facts["measures"]) == 5
    lines = run("evaluate", collection, "other.clr").stdout.splitlines()
    assert "chance" in lines[1]
    assert [line.split()[0] for line in lines[2:7]] == ["R@1", "P@10", "mAP", "kNN", "probe"]
    assert lines[-1].startswith("Cannot tell whether other.clr is better or worse than ")
    assert "Left out: 2 pictures only in" in run("evaluate", collection, "other.clr").stderr


def test_a_collection_against_a_copy_of_it(run: Run, collection: Path) -> None:
    shutil.copytree(collection, "copy.clr")
    lines = run("evaluate", collection, "copy.clr").stdout.splitlines()
    assert lines[-1].endswith("and copy.clr give every picture the same vector: neither is better.")
    facts = json.loads(run("evaluate", collection, "copy.clr", "--json").stdout)
    assert (facts["verdict"], facts["same"]) == ("cannot tell", True)


def test_an_encoder_that_sees_nothing_is_worse(
    run: Run, collection: Path, pictures: Path, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "blind.clr", collection / "encoder.onnx") as index:
        with Index.open(collection) as whole:
            held = whole.embeddings()
        vectors = np.random.default_rng(0).normal(size=held.vectors.shape)
        index.add_vectors(vectors.astype(np.float32), list(held.paths), labels=held.labels)
    result = run("evaluate", collection, "blind.clr")
    assert result.stdout.splitlines()[-1].startswith("blind.clr is worse than ")
    assert json.loads(run("evaluate", "blind.clr", collection, "--json").stdout)["verdict"] == (
        "better"
    )


def test_collections_that_cannot_be_compared(
    run: Run, collection: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    other = build(write_pictures(tmp_path / "p", each=2, seed=9), tiny_encoder, tmp_path / "o.clr")
    assert "have no picture in common" in run("evaluate", collection, other, exit_code=2).stderr
    assert "is given twice" in run("evaluate", collection, collection, exit_code=2).stderr
    options = (collection, other, "--curve", "c.png")
    assert "--curve is of one collection" in run("evaluate", *options, exit_code=2).stderr


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
    assert curve["chance"] == curve["majority"] == pytest.approx(1 / 3)
    last = curve["steps"][-1]
    cell = f"{100 * np.mean(last['probe']):.1f} ± {100 * np.std(last['probe'], ddof=1):.1f} %"
    assert cell in lines[at + 5]


def test_a_curve_is_not_overwritten(run: Run, collection: Path, tmp_path: Path) -> None:
    (tmp_path / "curve.png").write_text("precious")
    result = run("evaluate", collection, "--curve", "curve.png", exit_code=2)
    assert "curve.png exists already" in result.stderr
    assert (tmp_path / "curve.png").read_text() == "precious"
    assert "does not end in" in run("evaluate", collection, "--curve", "c.txt", exit_code=2).stderr
