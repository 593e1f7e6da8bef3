"""``probe`` and ``classify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run


def test_a_probe_from_folders(run: Run, collection: Path, tmp_path: Path) -> None:
    result = run("probe", collection, "--out", "probe.onnx", "--confusion", "confusion.png")
    lines = result.stdout.splitlines()
    assert lines[0] == "probe.onnx: 3 classes, 36 pictures"
    assert lines[1].startswith("  accuracy          ")
    assert lines[2].startswith("  probabilities     off by ")
    assert lines[3] == "  confusion matrix  confusion.png"
    assert Image.open(tmp_path / "confusion.png").format == "PNG"
    card = json.loads(run("info", "probe.onnx", "--json", "--check").stdout)
    assert (card["kind"], card["classes"]) == ("probe", ["blue", "green", "red"])


def test_a_probe_from_a_table(run: Run, collection: Path, pictures: Path, tmp_path: Path) -> None:
    warm = sorted((pictures / "red").iterdir())
    cold = sorted((pictures / "blue").iterdir())
    rows = [f"{path},warm" for path in warm] + [f"{path},cold" for path in cold]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label", *rows, "elsewhere.jpg,warm"]), encoding="utf-8")
    result = run("probe", collection, "--out", "probe.onnx", "--labels", "labels.csv", "--json")
    facts = json.loads(result.stdout)
    assert (facts["classes"], facts["images"], facts["unlabelled"]) == (["cold", "warm"], 24, 12)
    assert result.stderr == "labels.csv: 1 picture not in the collection.\n"


@pytest.mark.parametrize("option", ["--out", "--confusion"])
def test_outputs_are_not_overwritten(
    run: Run, collection: Path, tmp_path: Path, option: str
) -> None:
    names = {"--out": "probe.onnx", "--confusion": "confusion.png"}
    (tmp_path / names[option]).write_text("precious")
    options = [part for pair in names.items() for part in pair]
    result = run("probe", collection, *options, exit_code=2)
    assert result.stderr == (
        f"Error: {names[option]} exists already.\n"
        "Choose another name, or overwrite it with --force.\n"
    )
    assert (tmp_path / names[option]).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [names[option]]
    run("probe", collection, *options, "--force")


def test_a_picture(run: Run, probe: Path, pictures: Path) -> None:
    lines = run("classify", probe, pictures / "red" / "red00.jpg", "-k", "2").stdout.splitlines()
    assert lines[0].split()[1] == "red"
    chances = [float(line.split()[0]) for line in lines]
    assert chances == sorted(chances, reverse=True)


def test_folders_and_files(run: Run, probe: Path, pictures: Path) -> None:
    arguments = (probe, pictures / "red", pictures / "blue" / "blue00.jpg")
    lines = run("classify", *arguments, "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert len(answers) == 13
    assert answers[0]["path"] == str(pictures / "red" / "red00.jpg")
    assert [answer["predictions"][0]["label"] for answer in answers] == ["red"] * 12 + ["blue"]
    assert sum(each["probability"] for each in answers[0]["predictions"]) == pytest.approx(1)
    best = run("classify", *arguments, "-k", "1").stdout.splitlines()
    assert len(best) == 13
    assert best[0].split()[1] == "red"


def test_a_broken_picture_does_not_stop_the_others(
    run: Run, probe: Path, pictures: Path, broken: Path
) -> None:
    result = run("classify", probe, broken, pictures / "red" / "red00.jpg", "-k", "1", exit_code=1)
    assert result.stdout.split()[1] == "red"
    assert result.stderr.startswith("Error: broken.jpg cannot be classified: not a picture: ")


def test_an_encoder_does_not_classify(run: Run, tiny_encoder: Path, pictures: Path) -> None:
    result = run("classify", tiny_encoder, pictures / "red", exit_code=2)
    assert result.stderr.endswith(
        "is an encoder without classes.\n"
        "Make a classifier with: clr-search probe COLLECTION --out probe.onnx\n"
    )


def test_wrong_use(run: Run, probe: Path, pictures: Path) -> None:
    assert "what to classify" in run("classify", probe, exit_code=2).stderr
    assert "0 is less than 1" in run("classify", probe, pictures, "-k", "0", exit_code=2).stderr
    assert "no file or folder nope.jpg" in run("classify", probe, "nope.jpg", exit_code=2).stderr
    result = run("classify", "nope.onnx", pictures, exit_code=2)
    assert "Error: There is no model file nope.onnx." in result.stderr


def test_the_nearest_vote_without_a_probe(
    run: Run, collection: Path, pictures: Path, tmp_path: Path
) -> None:
    result = run("classify", "--knn", collection, pictures / "red", "-k", "1")
    lines = result.stdout.splitlines()
    assert len(lines) == 12
    assert sum("red" in line.split()[1] for line in lines if "unknown" not in line) >= 10
    answer = json.loads(
        run("classify", "--knn", collection, pictures / "blue" / "blue00.jpg", "--json").stdout
    )
    assert answer["predictions"][0]["label"] == "blue"
    assert answer["known"] is True
    assert "Missing argument" in run("classify", "--knn", collection, exit_code=2).stderr


def test_a_probe_says_how_far_its_probabilities_are_off(
    run: Run, collection: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.onnx"
    facts = json.loads(run("probe", collection, "--out", out, "--json").stdout)
    assert 0 <= facts["calibration_error"] <= 1
    assert 0.04 < facts["temperature"] < 21
    assert "before temperature scaling" in run("probe", collection, "--out", out, "--force").stdout
