"""The Python of the documentation is run, as a reader would: block after block, in one session."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import clr_search
from clr_search import Encoder, Index, Probe
from clr_search.serve.probe import fit_probe, save_probe
from tests.tiny import write_pictures

HOUSE = Path(__file__).parents[1]
FENCE = re.compile(r"^```python(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLOWERS = {"red": "rose", "green": "daisy", "blue": "tulip"}


def blocks(document: str, kind: str = "") -> list[str]:
    """The Python of a document: blocks that begin with ```python and this word, or none."""
    found = FENCE.findall((HOUSE / document).read_text(encoding="utf-8"))
    return [code for word, code in found if word == kind]


def run(codes: list[str], document: str) -> dict[str, Any]:
    """Execute blocks one after the other, and return what they have named."""
    names: dict[str, Any] = {"__name__": "documentation"}
    for number, code in enumerate(codes, start=1):
        exec(compile(code, f"{document}, block {number}", "exec"), names)
    return names


@pytest.fixture
def desk(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name, which is the working folder."""
    write_pictures(tmp_path / "photos")
    for colour, flower in FLOWERS.items():
        folder = (tmp_path / "photos" / colour).rename(tmp_path / "photos" / flower)
        for path in folder.iterdir():
            path.rename(folder / path.name.replace(colour, flower))
    shutil.copy(tiny_encoder, tmp_path / "encoder.onnx")
    drawn = write_pictures(tmp_path / "elsewhere", each=2, seed=1)
    for name, colour in (("a", "red"), ("b", "blue"), ("new", "red"), ("query", "green")):
        shutil.copy(drawn / colour / f"{colour}00.jpg", tmp_path / f"{name}.jpg")
    shutil.copy(tmp_path / "query.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_probe(desk: Path) -> Path:
    """A classifier of the three flowers."""
    with Index.create(desk / "made.clr", desk / "encoder.onnx") as index:
        index.update([desk / "photos"])
        fitted = fit_probe(index.vectors()[1], index.labels())
        return save_probe(fitted, index.encoder.path, desk / "probe.onnx")


@pytest.mark.usefixtures("desk")
def test_the_library_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(blocks("docs/python.md"), "docs/python.md")
    assert names["report"].added == 36
    assert len(names["close"]) >= len(names["matches"]) == 5
    assert set(names["labels"]) == set(FLOWERS.values())
    assert names["probe"].predict(["a.jpg", "b.jpg"]) == ["rose", "tulip"]
    assert "Did you mean rose?" in capsys.readouterr().out


def test_every_public_name_is_shown() -> None:
    shown = "\n".join(FENCE.sub("", (HOUSE / "docs/python.md").read_text(encoding="utf-8")).split())
    for name in set(clr_search.__all__) - {"__version__"}:
        assert f"`{name}`" in shown, name


@pytest.mark.slow
@pytest.mark.usefixtures("desk")
def test_training_and_export_by_example() -> None:
    names = run(blocks("docs/python.md", "train"), "docs/python.md")
    assert names["result"].epochs == 1
    assert Encoder("mine.onnx").dimension > 0


@pytest.mark.parametrize("document", ["docs/python.md", "docs/service.md"])
def test_the_client_by_example(document: str, desk: Path) -> None:
    from clr_search.server.routes import Service
    from tests.server.conftest import serving

    probe = Probe(write_probe(desk))
    codes = blocks(document, "service")
    assert codes
    with Index.open(desk / "made.clr") as index, serving(Service(index, probe)) as url:
        here = [code.replace("http://127.0.0.1:8000", url) for code in codes]
        assert here != codes
        assert run(here, document)["vectors"].shape == (2, index.encoder.dimension)


def test_the_python_of_the_readme(desk: Path) -> None:
    write_probe(desk)
    codes = blocks("README.md")
    assert codes
    run(codes, "README.md")


@pytest.mark.usefixtures("desk")
def test_the_encoder_with_onnxruntime_alone() -> None:
    vector = run(blocks("docs/encoder-contract.md"), "docs/encoder-contract.md")["vector"]
    assert abs(vector @ Encoder("encoder.onnx").encode("photo.jpg")[0] - 1) < 1e-5


def test_links_lead_to_headings_that_exist() -> None:
    documents = [*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md"), *HOUSE.glob("bench/**/*.md")]
    link = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
    broken = [
        f"{document.relative_to(HOUSE)}: {target}#{anchor}"
        for document in documents
        for target, anchor in link.findall(document.read_text(encoding="utf-8"))
        if "://" not in target and anchor not in anchors(document.parent / target, document)
    ]
    assert broken == []


def anchors(target: Path, document: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them; of `document` for a link within."""
    path = document if target.is_dir() else target
    if not path.is_file():
        return set()
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    plain = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", title).strip().lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


def test_the_floors_are_those_that_are_checked() -> None:
    text = (HOUSE / "docs/architecture.md").read_text(encoding="utf-8")
    told = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| \d+ \| (.*) \|$", text, re.M)]
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert told == [re.findall(r"clr_search\.(\w+)", layer) for layer in layers]


def test_paths_that_are_named_exist() -> None:
    """Such as `tests/index/test_disk.py` or `clr_search/train`, outside links and blocks."""
    documents = [*HOUSE.glob("*.md"), *HOUSE.glob("docs/*.md"), *HOUSE.glob("bench/*.md")]
    path = re.compile(r"`((?:clr_search|tests|bench|examples|docs)/[\w./-]+)`")
    broken = [
        f"{document.relative_to(HOUSE)}: {named}"
        for document in documents
        for named in path.findall(document.read_text(encoding="utf-8"))
        if not (HOUSE / named).exists()
    ]
    assert broken == []
