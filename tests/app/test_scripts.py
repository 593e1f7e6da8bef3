"""The scripts of the page: their types, their habits, and what of them needs no browser."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clr_search.app.routes.files import FOLDER

SCRIPTS = Path(__file__).parent / "scripts"

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def npm() -> str:
    found = shutil.which("npm")
    if not found or not (SCRIPTS / "node_modules").is_dir():
        if os.environ.get("CI"):
            pytest.fail("Run: npm ci --prefix tests/app/scripts")
        pytest.skip("run npm ci --prefix tests/app/scripts")
    return found


@pytest.mark.parametrize("what", ["types", "habits", "behaviour"])
def test_scripts(npm: str, what: str) -> None:
    done = subprocess.run(
        [npm, "run", "--silent", what], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_is_imported_or_a_style(npm: str) -> None:
    """A script that nothing imports would be dead, and one that is missing a page without a tab."""
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.js")}
    for name in texts.keys() - {"main.js"}:
        others = (text for other, text in texts.items() if other != name)
        assert any(f"'./{name}'" in text for text in others), name


def test_no_two_style_sheets_of_tabs_speak_of_the_same_class() -> None:
    """All are loaded at once, so that each would change the look of the other tab."""
    named = {
        path.name: set(re.findall(r"\.(clr-[a-z0-9-]+)", path.read_text()))
        for path in FOLDER.glob("*.css")
    }
    common = named.pop("app.css")
    for one, other in itertools.combinations(sorted(named), 2):
        assert (named[one] & named[other]) - common == set(), (one, other)
