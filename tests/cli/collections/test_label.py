"""``label``, and tables of labels in other commands."""

from __future__ import annotations

import json
from pathlib import Path

from clr_search.index import Index
from tests.cli.conftest import Run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.*g"))


def write_table(path: Path, rows: dict[str, str]) -> None:
    text = "".join(f"{name};{label}\r\n" for name, label in rows.items())
    path.write_text(f"Datei;Klasse\r\n{text}".replace("Datei;Klasse", "File;Class"), "utf-8-sig")


def test_labels_of_a_spreadsheet_are_kept(run: Run, own: Path, tmp_path: Path) -> None:
    """Bare names, a mark at the beginning, semicolons; and what names no picture is listed."""
    rows = {name: "warm" if name.startswith("red") else "cold" for name in names(tmp_path / "mine")}
    del rows["blue00.jpg"]
    write_table(tmp_path / "labels.csv", rows | {"nowhere.jpg": "warm"})
    result = run("label", own, "labels.csv")
    assert result.stdout == "own.clr: 2 classes, 35 of 36 pictures labelled\n"
    assert result.stderr == (
        "labels.csv: 1 row labels no picture in the collection:\n"
        "  line 37: nowhere.jpg: not in the collection\n"
    )
    run("build-index", "mine", "--index", own)
    found = json.loads(run("search", own, "--item", "1", "--label", "warm", "--json").stdout)
    assert all("/red/" in match["path"] for match in found["results"])
    run("probe", own, "--out", "probe.onnx")
    assert json.loads(run("info", "probe.onnx", "--json").stdout)["classes"] == ["cold", "warm"]
    facts = json.loads(run("label", own, "--by-folder", "--json").stdout)
    assert (facts["classes"], facts["labelled"]) == (["blue", "green", "red"], 36)


def test_names_of_several_pictures_label_none(run: Run, own: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "red" / "red00.jpg").rename(tmp_path / "mine" / "red" / "blue00.jpg")
    run("build-index", "mine", "--index", own)
    (tmp_path / "labels.csv").write_text(
        "path,label\nblue00.jpg,x\nC:\\pictures\\red\\red01.png,y\n", encoding="utf-8"
    )
    result = run("label", own, "labels.csv", "--json")
    facts = json.loads(result.stdout)
    assert (facts["labelled"], facts["classes"]) == (1, ["y"])
    assert facts["unmatched"] == [
        {"line": 2, "path": "blue00.jpg", "label": "x", "reason": "the name of several pictures"}
    ]


def test_a_table_of_other_pictures_changes_nothing(run: Run, own: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na/1.jpg,x\n", encoding="utf-8")
    result = run("label", own, "labels.csv", exit_code=2)
    assert "None of the 1 picture in labels.csv is in the collection: line 2 names a/1.jpg" in (
        result.stderr
    )
    assert str(tmp_path / "mine" / "blue" / "blue00.jpg") in result.stderr
    with Index.open(own) as index:
        assert set(index.labels()) == {"red", "green", "blue"}


def test_a_guessed_encoding_is_told(run: Run, own: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("path,label\nred00.jpg,süß\n".encode("latin-1"))
    result = run("label", own, "labels.csv", "--json")
    assert json.loads(result.stdout)["classes"] == ["süß"]
    assert "labels.csv is no Unicode text, and was read as Windows-1252." in result.stderr


def test_long_lists_are_cut_for_people(run: Run, own: Path, tmp_path: Path) -> None:
    rows = {f"{n}.jpg": "x" for n in range(30)} | {"red00.jpg": "x"}
    write_table(tmp_path / "labels.csv", rows)
    result = run("label", own, "labels.csv", "--json")
    assert len(json.loads(result.stdout)["unmatched"]) == 30
    assert len(result.stderr.splitlines()) == 22
    assert result.stderr.endswith("  … and 10 more; --json lists all.\n")


def test_wrong_use(run: Run, own: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nred00.jpg,\n", encoding="utf-8")
    result = run("label", own, "labels.csv", exit_code=2)
    assert "No row of labels.csv has a label; 1 name a picture." in result.stderr
    assert "Give a CSV file, or --by-folder." in run("label", own, exit_code=2).stderr
