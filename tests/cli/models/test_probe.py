"""``probe`` and ``classify``."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from PIL import Image

from clr_search.cli.main import main
from clr_search.contract.model_file import read_model
from clr_search.serve import Encoder
from clr_search.serve.probe.few_shot import fit_shots
from clr_search.serve.probe.model import save_probe
from tests.cli.conftest import Run


def test_a_probe_from_folders(run: Run, collection: Path, tmp_path: Path) -> None:
    result = run("probe", collection, "--out", "probe.onnx", "--confusion", "confusion.png")
    lines = result.stdout.splitlines()
    assert lines[0] == "probe.onnx: 3 classes, 36 pictures"
    assert lines[1].startswith("  accuracy          ")
    assert lines[2].startswith("  probabilities     off by ")
    assert lines[3].split(maxsplit=3)[3] == (
        "refuses 5 % of pictures of the classes, by 36 pictures left out in turn"
    )
    assert re.fullmatch(
        r" {20}catches about \d+ % of pictures of other classes "
        r"\(\d+ to \d+ % of each of 3 classes left out in turn\)",
        lines[4],
    )
    assert lines[5] == "  confusion matrix  confusion.png"
    assert "36 pictures left out in turn; chance 33.3 %, majority 33.3 %)" in lines[1]
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
    assert result.stderr == (
        "labels.csv: 1 row labels no picture in the collection:\n"
        "  line 26: elsewhere.jpg: not in the collection\n"
    )
    assert facts["unmatched"] == [
        {"line": 26, "path": "elsewhere.jpg", "label": "warm", "reason": "not in the collection"}
    ]


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


@pytest.mark.parametrize("by", ["probe", "knn"])
def test_broken_pictures_alone_are_each_told_of(
    run: Run, probe: Path, collection: Path, broken: Path, tmp_path: Path, by: str
) -> None:
    shutil.copy(broken, tmp_path / "other.jpg")
    classifier = (probe,) if by == "probe" else ("--knn", collection)
    result = run("classify", *classifier, broken, "other.jpg", exit_code=1)
    assert result.stdout == ""
    assert [line.partition(":")[2].split()[0] for line in result.stderr.splitlines()] == [
        "broken.jpg",
        "other.jpg",
    ]


def test_a_folder_that_cannot_be_listed_is_told_of(
    run: Run, probe: Path, pictures: Path, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    shutil.copytree(pictures, tmp_path / "mine")
    lock(tmp_path / "mine" / "red")
    told = "is left out: the folder cannot be listed: permission denied."
    result = run("classify", probe, "mine", "--json", exit_code=1)
    assert len(result.stdout.splitlines()) == 24
    assert result.stderr == f"Error: mine/red {told}\n"
    result = run("probe", "mine", "--out", "probe.onnx", "--json")
    assert json.loads(result.stdout)["skipped"] == [str(tmp_path / "mine" / "red")]
    assert f"Error: mine/red {told}\n" in result.stderr


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
    assert sum("red" in line.split()[1] for line in lines if "none of these" not in line) >= 10
    answer = json.loads(
        run("classify", "--knn", collection, pictures / "blue" / "blue00.jpg", "--json").stdout
    )
    assert answer["predictions"][0]["label"] == "blue"
    assert answer["known"] is True
    assert "Missing argument" in run("classify", "--knn", collection, exit_code=2).stderr


def test_a_few_labels_among_many_pictures_vote(
    run: Run, collection: Path, pictures: Path, tmp_path: Path
) -> None:
    """A picture far from them is of one of the classes, or it cannot be told; not of none."""
    shutil.copytree(collection, tmp_path / "c.clr")
    some = [sorted((pictures / folder).iterdir())[:3] for folder in ("red", "blue")]
    rows = [f"{some[0][at]},warm\n{some[1][at]},cold\n" for at in (0, 1)]
    (tmp_path / "few.csv").write_text("path,label\n" + "".join(rows))
    run("label", "c.clr", "few.csv")
    result = run("classify", "--knn", "c.clr", some[1][2], "--json")
    answer = json.loads(result.stdout)
    assert answer["predictions"][0]["label"] == "cold"
    assert answer["known"] is None
    assert result.stderr.endswith("Only 2 pictures at a time can vote: these shares say little.\n")


def test_a_probe_says_how_far_its_probabilities_are_off(
    run: Run, collection: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.onnx"
    facts = json.loads(run("probe", collection, "--out", out, "--json").stdout)
    assert 0 <= facts["calibration_error"] <= 1
    assert 0.04 < facts["temperature"] < 21
    assert facts["calibration_error"] <= facts["uncalibrated_error"]
    lines = run("probe", collection, "--out", out, "--force").stdout.splitlines()
    as_they_are = lines[2].endswith("as they are: temperature scaling would not make them better")
    assert as_they_are == (facts["temperature"] == 1)
    assert as_they_are or lines[2].endswith(" before temperature scaling)")
    assert (facts["chance"], facts["majority"]) == (1 / 3, 1 / 3)
    assert facts["strangers"]["classes"] == 3


def white(folder: Path) -> Path:
    path = folder / "white.png"
    Image.new("RGB", (60, 60), "white").save(path)
    return path


def test_none_of_these(run: Run, probe: Path, pictures: Path, tmp_path: Path) -> None:
    path = white(tmp_path)
    line = run("classify", probe, path).stdout
    assert re.fullmatch(r"none of these  \(novelty \d+\.\d\d\)  white\.png\n", line)
    answer = json.loads(run("classify", probe, path, "--json").stdout)
    assert answer["known"] is False
    assert answer["novelty"] > 1
    assert len(answer["predictions"]) == 3
    lines = run("classify", probe, path, pictures / "red" / "red00.jpg").stdout.splitlines()
    assert lines[0] == "white.png"
    assert lines[1].startswith("  none of these  (novelty ")
    red = run("classify", probe, pictures / "red" / "red00.jpg", "--json").stdout
    assert json.loads(red)["known"] is True


def test_none_by_vote(run: Run, collection: Path, tmp_path: Path) -> None:
    path = white(tmp_path)
    answer = json.loads(run("classify", "--knn", collection, path, "--json").stdout)
    assert answer["known"] is False
    assert "novelty" not in answer
    line = run("classify", "--knn", collection, path).stdout
    assert line == f"none of these  (nearest {answer['nearest']:.2f})  white.png\n"


def shots(pictures: Path, folder: Path, each: dict[str, int]) -> Path:
    """The first pictures of some classes."""
    for label, number in each.items():
        (folder / label).mkdir(parents=True)
        for path in sorted((pictures / label).iterdir())[:number]:
            shutil.copy(path, folder / label)
    return folder


@pytest.mark.parametrize("each", [1, 2, 7])
def test_a_folder_of_a_handful(
    run: Run, pictures: Path, tiny_encoder: Path, tmp_path: Path, each: int
) -> None:
    folder = shots(pictures, tmp_path / "few", dict.fromkeys(("red", "green", "blue"), each))
    arguments = ("probe", folder, "--encoder", tiny_encoder, "--out", "few.onnx")
    lines = run(*arguments).stdout.splitlines()
    facts = json.loads(run(*arguments, "--force", "--json").stdout)
    assert lines[0] == f"few.onnx: 3 classes, {3 * each} pictures"
    assert facts["images"] == 3 * each
    if each == 1:
        assert lines[1:3] == [
            "  accuracy       not measured: no class has a picture to spare",
            "  probabilities  not calibrated: no class has a picture to spare",
        ]
        assert facts["accuracy"] is facts["measured_by"] is facts["calibration_error"] is None
    else:
        assert f"{3 * each} pictures left out in turn; chance 33.3 %" in lines[1]
        assert facts["measured_by"] == "leave one out"
    assert facts["tells_unknown"] == (each == 7)
    if each < 7:
        assert lines[3].startswith("  none of these  cannot be told: too few pictures")
    answer = json.loads(
        run("classify", "few.onnx", pictures / "red" / "red11.png", "--json").stdout
    )
    assert answer["predictions"][0]["label"] == "red"
    assert answer["known"] is (None if each < 7 else True)
    vectors = Encoder(tiny_encoder).encode(sorted(folder.rglob("*.*g")))
    names = [path.parent.name for path in sorted(folder.rglob("*.*g"))]
    again = save_probe(fit_shots(vectors, names), tiny_encoder, tmp_path / "again.onnx")
    assert read_model(again).card == read_model(tmp_path / "few.onnx").card


def test_an_unreadable_picture_in_the_folder(
    run: Run, pictures: Path, tiny_encoder: Path, broken: Path, tmp_path: Path
) -> None:
    folder = shots(pictures, tmp_path / "few", {"red": 2, "blue": 2})
    shutil.copy(broken, folder / "red")
    arguments = ("probe", folder, "--encoder", tiny_encoder, "--out", "few.onnx")
    result = run(*arguments, "--json")
    assert "Error: few/red/broken.jpg is left out: not a picture" in result.stderr
    facts = json.loads(result.stdout)
    assert (facts["images"], facts["skipped"]) == (4, [str(folder / "red" / "broken.jpg")])
    for path in (folder / "red").glob("red*"):
        path.unlink()
    result = run(*arguments, "--force", exit_code=2)
    assert "Of red no picture can be read." in result.stderr


def test_wrong_folders(run: Run, pictures: Path, collection: Path, tmp_path: Path) -> None:
    folder = shots(pictures, tmp_path / "few", {"red": 2})
    result = run("probe", folder, "--out", "few.onnx", exit_code=2)
    assert "Error: A probe needs two classes, but there is only red." in result.stderr
    result = run("probe", collection, "--encoder", "default", "--out", "few.onnx", exit_code=2)
    assert "a collection has its own encoder" in result.stderr
    assert "nope" in run("probe", "nope", "--out", "few.onnx", exit_code=2).stderr
    shots(pictures, tmp_path / "one", {"red": 1, "blue": 1})
    options = ("--out", "few.onnx", "--confusion", "c.png")
    result = run("probe", tmp_path / "one", *options, exit_code=2)
    assert "There is no confusion matrix" in result.stderr
    assert not (tmp_path / "few.onnx").exists()


def test_a_folder_with_a_table(
    run: Run, pictures: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = shots(pictures, tmp_path / "few", {"red": 2, "blue": 2})
    rows = [f"few/{p.parent.name}/{p.name},{p.parent.name[0]}" for p in folder.rglob("*.*g")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    arguments = ("probe", folder, "--encoder", tiny_encoder, "--out", "few.onnx")
    facts = json.loads(run(*arguments, "--labels", "labels.csv", "--json").stdout)
    assert facts["classes"] == ["b", "r"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_classes_into_a_file(
    run: Run, probe: Path, pictures: Path, broken: Path, tmp_path: Path, ending: str
) -> None:
    """What is of no class has no label; what cannot be read has a row with the reason."""
    words = (probe, pictures / "red", white(tmp_path), broken, "-k", "2")
    printed = run("classify", *words, "--json", exit_code=1).stdout
    answers = [json.loads(line) for line in printed.splitlines()]
    name = f"classes.{ending}"
    result = run("classify", *words, "--out", name, exit_code=1)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == f"{name}: 14 pictures"
    if ending == "jsonl":
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines[:-1]] == answers
        assert "not a picture" in json.loads(lines[-1])["reason"]
    else:
        if ending == "csv":
            with (tmp_path / name).open(encoding="utf-8", newline="") as file:
                rows: list[dict[str, object]] = list(csv.DictReader(file))
        else:
            rows = pyarrow.parquet.read_table(tmp_path / name).to_pylist()
        assert [row["path"] for row in rows[:-1]] == [answer["path"] for answer in answers]
        for row, answer in zip(rows[:-1], answers, strict=True):
            first = answer["predictions"][0]
            assert row["label"] == (first["label"] if answer["known"] else "")
            assert str(row["known"]) == str(answer["known"])
            assert row["label_1"] == first["label"]
            assert float(str(row["probability_1"])) == pytest.approx(first["probability"])
            assert float(str(row["value"])) == pytest.approx(answer["novelty"], rel=1e-6)
        assert "not a picture" in str(rows[-1]["reason"])
        assert not rows[-1]["label"]
    assert f"{name} exists already." in run("classify", *words, "--out", name, exit_code=2).stderr
    both = run("classify", *words, "--out", name, "--force", "--json", exit_code=1)
    assert both.stdout == printed
    wrong = run("classify", *words, "--out", "classes.xls", exit_code=2)
    assert "does not end in .csv, .jsonl, .parquet." in wrong.stderr


def test_the_file_of_classes_labels_a_collection(
    run: Run, probe: Path, own: Path, tmp_path: Path
) -> None:
    run("classify", probe, tmp_path / "mine", "-k", "1", "--out", "classes.csv")
    facts = json.loads(run("label", own, "classes.csv", "--json").stdout)
    assert set(facts["classes"]) == {"red", "green", "blue"}
    assert facts["labelled"] >= 30
    assert facts["unmatched"] == []


def test_a_probe_from_lists_and_several_folders(
    run: Run, pictures: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Each picture of a list is of the class that its folder is called."""
    folder = shots(pictures, tmp_path / "few", {"red": 2, "blue": 3})
    listed = "\n".join(str(path) for path in sorted(folder.rglob("*.*g")))
    (tmp_path / "list.txt").write_text(listed)
    options = ("--encoder", str(tiny_encoder), "--json", "--force", "--out", "few.onnx")
    whole = json.loads(run("probe", folder, *options).stdout)
    assert (whole["classes"], whole["images"]) == (["blue", "red"], 5)
    assert json.loads(run("probe", "@list.txt", *options).stdout) == whole
    done = CliRunner().invoke(main, ["probe", "-", *options], input=listed)
    assert json.loads(done.stdout) == whole
    more = shots(pictures, tmp_path / "more", {"green": 2})
    both = json.loads(run("probe", folder, more, *options).stdout)
    assert (both["classes"], both["images"]) == (["blue", "green", "red"], 7)


def test_a_collection_is_fitted_on_alone_and_as_it_is(
    run: Run, collection: Path, pictures: Path
) -> None:
    words = ("probe", collection, "--out", "x.onnx")
    assert "and there is 1 path beside it." in run(*words, pictures, exit_code=2).stderr
    complaint = run(*words, "--any-name", exit_code=2).stderr
    assert "--any-name is of folders" in complaint
    assert "clr-search build-index --index" in complaint
    assert (
        "There is no collection none.clr"
        in run("probe", "none.clr", *words[2:], exit_code=2).stderr
    )
    long = "x" * 300
    assert "There is no file or folder" in run("probe", long, *words[2:], exit_code=2).stderr


def test_which_files_of_folders_are_taken(
    run: Run, pictures: Path, probe: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = shots(pictures, tmp_path / "few", {"red": 2, "blue": 3})
    elsewhere = shots(pictures, tmp_path / "elsewhere", {"blue": 5})
    (folder / "red" / "noending").write_bytes((pictures / "red" / "red03.png").read_bytes())
    for path in sorted((elsewhere / "blue").iterdir())[3:]:
        (folder / "blue" / path.name).symlink_to(path)
    (folder / "@eaDir").mkdir()
    shutil.copy(pictures / "red" / "red01.png", folder / "@eaDir")
    told = ["2 links lead out of the folder; --follow-links follows them."]
    told += ["1 file is a picture, but not by the ending of the name; --any-name takes it."]
    told += ["1 file or folder is excluded; --exclude none takes it."]
    all_of_them = ("--follow-links", "--any-name", "--exclude", "none")
    fitted = ("probe", folder, "--encoder", tiny_encoder, "--out", "few.onnx", "--force", "--json")
    classified = ("classify", probe, folder, "--json")
    for command, count in ((fitted, lambda out: json.loads(out)["images"]), (classified, lines_of)):
        plain, every = run(*command), run(*command, *all_of_them)
        assert count(plain.stdout) == 5
        assert [line for line in told if line not in plain.stderr] == []
        assert count(every.stdout) == 9
        assert [line for line in told if line in every.stderr] == []
    assert lines_of(run(*classified, "--exclude", "red", "--exclude", "x").stdout) == 3


def lines_of(text: str) -> int:
    return len(text.splitlines())
