"""``clr-search export-site``: what it says, and what it hands on; the site has its own tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_it_says_what_it_wrote_and_how_to_try_it(
    run: Run, collection: Path, tmp_path: Path
) -> None:
    result = run("export-site", collection, "--out", "site")
    assert result.stdout == ""
    told = r"site: 36 pictures, [\d.]+ [kM]B; a visitor loads [\d.]+ MB, and the thumbnails"
    assert re.search(told, result.stderr)
    assert "python -m http.server --bind 127.0.0.1 -d site\n" in result.stderr
    facts = json.loads((tmp_path / "site" / "site.json").read_text())
    assert (facts["title"], facts["count"]) == ("pictures", 36)


def test_options_reach_the_site(run: Run, collection: Path, tmp_path: Path) -> None:
    run("export-site", collection, "--out", "site", "--label", "red", "--title", "Reds", "--paths")
    names = json.loads((tmp_path / "site" / "items.json").read_text())
    assert len(names) == 12
    assert all(name.startswith("red/") for name in names)
    assert '<h1><a href="#">Reds</a></h1>' in (tmp_path / "site" / "index.html").read_text()
    (tmp_path / "site" / "mine.txt").touch()
    result = run("export-site", collection, "--out", "site", exit_code=2)
    assert "site exists already, and holds mine.txt." in result.stderr
    assert "--force" in result.stderr
    run("export-site", collection, "--out", "site", "--most", 2, "--force")
    assert len(json.loads((tmp_path / "site" / "items.json").read_text())) == 2


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        (("--label", "gren"), "have the label gren.\nDid you mean green or red?"),
        (("--under", "gren"), "lie under gren.\nDid you mean green or red?"),
        (("--min-side", "9999"), "pass the filter.\nLeave out one of its conditions."),
    ],
)
def test_a_filter_that_leaves_nothing(
    run: Run, collection: Path, tmp_path: Path, condition: tuple[str, str], complaint: str
) -> None:
    result = run("export-site", collection, "--out", "site", *condition, exit_code=2)
    assert complaint in result.stderr
    assert not (tmp_path / "site").exists()


def test_a_picture_that_has_vanished_is_counted(run: Run, own: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "red" / "red01.png").unlink()
    result = run("export-site", own, "--out", tmp_path / "site")
    assert "1 picture cannot be read now, and is left out." in result.stderr
    assert "35 pictures" in result.stderr
