"""The base install alone embeds, indexes, searches and classifies: every extra is kept out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
from clr_search.cli.main import main
main()
"""


def base_install() -> set[str]:
    """Normalised names of what `pip install clr-search` brings."""
    found: set[str] = set()
    waiting = ["clr-search"]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            needed, _, condition = line.partition(";")
            if "extra ==" not in condition and "platform" not in condition:
                waiting.append(re.split(r"[^\w.-]", needed.strip(), maxsplit=1)[0])
    return found


@pytest.fixture(scope="module")
def absent() -> str:
    """Modules that a base install lacks, though they are here."""
    base = base_install()
    modules = {
        module
        for module, owners in packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & base
    }
    assert {"torch", "torchvision", "gradio", "fastapi", "matplotlib", "pyarrow"} <= modules
    return ",".join(sorted(modules))


def test_from_pictures_to_answers_with_the_encoder_that_ships(
    absent: str, pictures: Path, tmp_path: Path
) -> None:
    def run(*words: object) -> str:
        command = [sys.executable, "-c", PROGRAM, absent, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    collection, probe = tmp_path / "p.clr", tmp_path / "probe.onnx"
    picture = sorted(pictures.rglob("*.*g"))[0]
    run("build-index", pictures, "--index", collection)
    found = json.loads(run("search", collection, picture, "-k", 3, "--include-self", "--json"))
    assert found["results"][0]["path"] == str(picture)
    run("probe", collection, "--out", probe)
    told = json.loads(run("classify", probe, picture, "--json"))
    assert told["predictions"][0]["label"] == picture.parent.name
    run("duplicates", collection)
    run("info", collection)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("train", "{0}", "--out", "{0}/run"), "train"),
        (("probe", "{0}", "--out", "{0}/probe.onnx", "--confusion", "{0}/c.png"), "plots"),
        (("evaluate", "{0}", "--curve", "{0}/c.png"), "plots"),
    ],
)
def test_what_is_absent_is_named_with_its_extra(
    words: tuple[str, ...], extra: str, absent: str, tmp_path: Path
) -> None:
    """Also before anything is looked at: the folder is no collection, and has no picture."""
    given = [word.format(tmp_path) for word in words]
    command = [sys.executable, "-c", PROGRAM, absent, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"clr-search[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
