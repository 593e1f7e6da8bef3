"""The wheel, installed where there is no checkout: nothing it needs was left behind.

It is built by the backend itself and installed without an index, so that no network is asked. Its
environment is a new one that sees the packages installed here, but not the editable install: only
the folders are named to it, whose `.pth` files are then not read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]

PUBLIC = """
import clr_search
from clr_search import Client, Encoder, Index, Probe, __version__
from clr_search.index import Filter, Match, Matches
print(clr_search.__file__, __version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=HOUSE, check=True, capture_output=True, text=True)
    return next(out.glob("clr_search-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Path:
    """The folder of the programs of an environment in which the wheel is installed."""
    home = wheel.parent / "venv"
    venv.create(home, with_pip=False)
    variables = {"base": str(home), "platbase": str(home)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    programs = Path(sysconfig.get_path("scripts", "venv", variables))
    here = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "installed_here.pth").write_text("\n".join(here), encoding="utf-8")
    python = next(programs.glob("python*"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-index", "--no-deps", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, str(wheel)], check=True, capture_output=True, text=True)
    return programs


def run(folder: Path, program: Path, *words: object) -> str:
    """What a program prints, run outside of the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(program), *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"clr_search"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
    tracked = subprocess.run(
        ["git", "ls-files", "clr_search"], cwd=HOUSE, check=True, capture_output=True, text=True
    )
    assert set(tracked.stdout.splitlines()) <= set(names)


def test_the_public_names_come_from_it(environment: Path, wheel: Path, tmp_path: Path) -> None:
    path, version = run(tmp_path, environment / "python", "-c", PUBLIC).split()
    assert Path(path).is_relative_to(environment.parent)
    assert wheel.name.startswith(f"clr_search-{version}-")


def test_pictures_are_indexed_and_found_with_the_encoder_that_comes_along(
    environment: Path, pictures: Path, tmp_path: Path
) -> None:
    program = environment / "clr-search"
    assert "build-index" in run(tmp_path, program, "--help")
    run(tmp_path, program, "build-index", pictures / "red", "--index", "red.clr")
    picture = min((pictures / "red").iterdir())
    found = run(tmp_path, program, "search", "red.clr", picture, "--include-self", "--json")
    assert json.loads(found)["results"][0]["path"] == str(picture)
