"""`import-encoder` prints what it read and how it agrees; `info` says how to import a file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from onnx import helper

from tests.cli.conftest import Run, build
from tests.importing.made import network
from tests.tiny import write_pictures

NUMBERS = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]


def test_import_search_and_info(run: Run, tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx")
    done = run("import-encoder", source, "--out", "encoder.onnx", *NUMBERS)
    for phrase in ("centre to 32 px, bilinear", "rgb, nchw", "--licence", "net.onnx, SHA-256"):
        assert phrase in done.output
    described = run("info", "encoder.onnx", "--check")
    assert "imported" in described.output
    assert "golden picture matches" in described.output
    pictures = write_pictures(tmp_path / "pictures", each=3)
    build(pictures, tmp_path / "encoder.onnx", tmp_path / "c.clr")
    picture = sorted(pictures.rglob("*.png"))[0]
    first = json.loads(run("search", "c.clr", picture, "--json").stdout.splitlines()[0])
    assert first


def test_json_has_the_recipe(run: Run, tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx")
    arguments = [source, "--out", "e.onnx", *NUMBERS, "--fit", "pad", "--ground", "1,2,3"]
    facts = json.loads(run("import-encoder", *arguments, "--json").stdout)
    assert facts["recipe"]["ground"] == [1, 2, 3]
    assert facts["parity"]["least"] > 0.999
    assert facts["card"]["fit"] == "pad"


def test_info_of_a_file_of_another_maker(run: Run, tmp_path: Path) -> None:
    source = network(tmp_path / "a net.onnx", outputs=["vector", "map"])
    facts = json.loads(run("info", source, "--json").stdout)
    assert (facts["kind"], facts["opset"]) == ("foreign", 13)
    assert facts["inputs"] == "input float[batch, 3, 32, 32]"
    command = shlex.split(facts["command"])
    assert command[:3] == ["clr-search", "import-encoder", str(source)]
    assert command[command.index("--output") + 1] == "vector"
    plain = run("info", source)
    assert "no encoder of clr-search yet" in plain.output
    assert "import-encoder" in plain.output


def test_info_says_why_a_file_cannot_be_imported(run: Run, tmp_path: Path) -> None:
    more = [helper.make_node("Secret", ["vector"], ["out"], domain="acme")]
    source = network(tmp_path / "net.onnx", more=more, outputs=["out"])
    assert "acme.Secret" in run("info", source).output


def test_a_file_of_another_maker_is_refused_with_the_way(run: Run, tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx")
    pictures = write_pictures(tmp_path / "pictures", each=1)
    arguments = [pictures, "--index", "c.clr", "--encoder", source]
    assert "import-encoder" in run("build-index", *arguments, exit_code=2).output


def test_wrong_numbers(run: Run, tmp_path: Path) -> None:
    arguments = [network(tmp_path / "n.onnx"), "--out", "o.onnx", "--mean", "1,2"]
    done = run("import-encoder", *arguments, exit_code=2)
    assert "not one number for each channel" in done.output
