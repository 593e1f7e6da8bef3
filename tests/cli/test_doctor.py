"""``doctor``."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

from clr_search.cli import doctor, examine
from clr_search.cli.doctor import Dependency
from tests.cli.conftest import Run

BASE = set("click faiss-cpu numpy onnx onnxruntime pillow rich scikit-learn threadpoolctl".split())


def test_every_declared_package_is_listed_once_with_its_extra() -> None:
    found = doctor.declared()
    assert {item.name for item in found if not item.extra} == BASE
    extras = {(item.name, item.extra) for item in found if item.extra}
    assert {("torch", "train"), ("gradio", "app"), ("uvicorn", "serve")} <= extras
    assert {extra for _, extra in extras} == set(doctor.EXTRAS)
    assert {("matplotlib", "train"), ("matplotlib", "plots")} <= extras  # either brings it
    assert len({(item.name, item.extra) for item in found}) == len(found)


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported, and all is well."""
    monkeypatch.setattr(doctor, "_examined", lambda item: item)


@pytest.mark.usefixtures("healthy")
def test_a_healthy_installation(run: Run) -> None:
    lines = run("doctor").stdout.splitlines()
    assert lines[0] == "Machine"
    assert [line for line in lines if not line.startswith(" ")] == [
        "Machine",
        "Base install",
        "Extra train",
        "Extra app",
        "Extra mcp",
        "Extra serve",
        "Extra plots",
        "Extra parquet",
        "Extra watch",
        "Extra fast",
        "Extra heif",
        "Extra milvus",
        "Extra ray",
        "Extra stores",
    ]
    facts = json.loads(run("doctor", "--json").stdout)
    assert facts["healthy"] is True
    assert sorted(facts["machine"]) == ["clr-search", "cores", "memory", "platform", "python"]
    versions = {item["name"]: item["version"] for item in facts["dependencies"]}
    assert versions["click"] == metadata.version("click")


def test_a_missing_extra_is_no_illness(
    run: Run, monkeypatch: pytest.MonkeyPatch, healthy: None
) -> None:
    monkeypatch.setattr(
        doctor,
        "declared",
        lambda: [Dependency("click", "", "8.5"), Dependency("torch", "train", None)],
    )
    text = run("doctor").stdout
    assert "  torch  –  missing; pip install 'clr-search[train]'\n" in text


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (Dependency("faiss-cpu", "", None, "it is not installed"), "it is not installed"),
        (Dependency("onnx", "", "1.0", "it cannot be imported: X"), "it cannot be imported: X"),
    ],
)
def test_a_broken_base_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, healthy: None, item: Dependency, complaint: str
) -> None:
    monkeypatch.setattr(doctor, "declared", lambda: [item])
    result = run("doctor", exit_code=1)
    assert f"Error: {item.name}: {complaint}.\n" in result.stderr
    assert result.stderr.endswith("Install clr-search again, as its README says.\n")
    assert json.loads(run("doctor", "--json", exit_code=1).stdout)["healthy"] is False


def test_an_old_version_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "8.0.4rc1+local")
    monkeypatch.setattr(metadata, "requires", lambda name: ["click>=8.1", "rich>=8.0.4"])
    click, rich = doctor.declared()
    assert click.problem == "version 8.0.4rc1+local is too old, 8.1 or newer is needed"
    assert rich.problem == ""


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "crashes (signal 4)"),
        ("raise ImportError('libfoo.so: not found')", "ImportError: libfoo.so: not found"),
    ],
)
def test_a_package_that_crashes_does_not_take_the_doctor_with_it(
    monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    real = subprocess.run

    def crash(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", code], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", crash)
    assert problem in doctor._examined(Dependency("numpy", "", "2.0")).problem


def test_abilities_are_asked_in_another_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clr_search.cli.examine", "PIL"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == examine.formats()
    assert "WebP yes" in done.stdout
    assert "CPU" in examine.providers()
    command = [sys.executable, "-m", "clr_search.cli.examine"]
    said = [
        subprocess.run([*command, name], capture_output=True, text=True, check=True).stdout
        for name in ("onnxruntime", "click")
    ]
    assert said == [f"{examine.providers()}\n", ""]
    assert examine.instructions().endswith(" threads")
