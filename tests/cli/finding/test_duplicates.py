"""``duplicates``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.analysis.test_copy_thresholds import scene
from tests.browser import chromium
from tests.cli.conftest import Run, build

__all__ = ["chromium"]  # a fixture


@pytest.fixture(scope="module")
def copied(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with two pictures in two files each; names that HTML and terminals mistake."""
    folder = tmp_path_factory.mktemp("duplicates") / "pictures"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(scene(200 + number)).save(folder / f"{number:02d}.png")
    shutil.copy(folder / "02.png", folder / "02 <b>&copy.png")
    with Image.open(folder / "04.png") as picture:
        picture.save(folder / "04.jpg", quality=80)
    return build(folder, tiny_encoder, folder.parent / "copied.clr")


def test_for_people(run: Run, copied: Path) -> None:
    result = run("duplicates", copied)
    lines = result.stdout.splitlines()
    assert re.fullmatch(
        r".*copied\.clr: 2 groups of copies; 2 of 14 pictures could go, .* kB", lines[0]
    )
    assert "2 files, the same" in result.stdout
    assert re.search(r"\d\. 2 files, at least [01]\.\d{4} alike", result.stdout)
    assert re.search(r"keep +128×128 +.* kB +.*/04\.png", result.stdout)
    assert re.search(r"same +128×128 +.* kB +.*/02 <b>&copy\.png", result.stdout)
    assert "Of copies made of 13 pictures, it tells: re-encoded 100 %" in result.stderr
    assert re.search(r"--dismiss \d+,\d+", result.stdout)


def test_for_programs(run: Run, copied: Path) -> None:
    found = json.loads(run("duplicates", copied, "--json").stdout)
    assert found["pictures"] == 14
    assert 0 < found["threshold"] < 1
    assert found["expected"]["resized"] > 0.5
    paths = [[Path(copy["path"]).name for copy in group["copies"]] for group in found["groups"]]
    assert sorted(paths) == [["02.png", "02 <b>&copy.png"], ["04.png", "04.jpg"]]
    near = next(group for group in found["groups"] if not group["exact"])
    assert near["copies"][0]["keep"]
    assert near["copies"][0]["score"] == 1
    assert near["copies"][1]["score"] >= near["lowest"] - 1e-6
    assert near["bytes_beside"] == near["copies"][1]["bytes"]


def test_the_page_is_whole_and_harmless(run: Run, copied: Path, tmp_path: Path) -> None:
    page = tmp_path / "copies.html"
    run("duplicates", copied, "--html", page)
    text = page.read_text("utf-8")
    assert text.count("<section>") == 2
    assert text.count('src="data:image/jpeg;base64,') == 4
    assert text.count("<b>keep</b>") == 2
    assert "02 &lt;b&gt;&amp;copy.png" in text
    assert "<b>&copy" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "This page cannot change the collection: its buttons copy a command" in text
    assert len(re.findall(r"<code>clr-search duplicates \S+ --dismiss \d+,\d+</code>", text)) == 2
    refused = run("duplicates", copied, "--html", page, exit_code=2)
    assert "exists already" in refused.stderr
    run("duplicates", copied, "--html", page, "--force", "--exact")
    assert page.read_text("utf-8").count("<section>") == 1


def test_dismissed_by_ids_and_by_files(run: Run, copied: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(copied, tmp_path / "own.clr"))
    groups = json.loads(run("duplicates", own, "--json").stdout)["groups"]
    ids = ",".join(str(copy["id"]) for copy in groups[0]["copies"])
    assert "Remembered: 1 pair." in run("duplicates", own, "--dismiss", ids).stderr
    paths = [copy["path"] for copy in groups[1]["copies"]]
    run("duplicates", own, "--dismiss", paths[0], "--dismiss", paths[1])
    found = run("duplicates", own)
    assert "no copies among 14 pictures" in found.stdout
    assert "2 pairs dismissed earlier" in found.stderr
    assert "2 groups" in run("duplicates", own, "--dismissed").stdout
    run("duplicates", own, "--undismiss", ids)
    assert "1 group" in run("duplicates", own).stdout
    nowhere = run("duplicates", own, "--dismiss", "nowhere.jpg", exit_code=2)
    assert "nowhere.jpg is not in" in nowhere.stderr


def test_files_that_are_gone_are_counted_with_the_remedy(
    run: Run, tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(scene(200 + number)).save(folder / f"{number}.png")
    shutil.copy(folder / "2.png", folder / "2 again.png")
    own = build(folder, tiny_encoder, tmp_path / "own.clr")
    (folder / "2.png").unlink()
    (folder / "4.png").unlink()
    found = run("duplicates", own)
    assert "no copies among 7 pictures" in found.stdout
    assert "2 pictures gone or out of reach" in found.stderr
    assert "clr-search build-index FOLDER --index" in found.stderr


def test_a_file_that_goes_while_the_page_is_drawn(
    run: Run, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clr_search.pictures import gallery

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(scene(200 + number)).save(folder / f"{number}.png")
    shutil.copy(folder / "2.png", folder / "2 again.png")
    own = build(folder, tiny_encoder, tmp_path / "own.clr")
    drawn = gallery.gallery

    def slowly(*arguments: object) -> str:
        (folder / "2.png").unlink(missing_ok=True)
        return drawn(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gallery, "gallery", slowly)
    result = run("duplicates", own, "--html", tmp_path / "page.html")
    assert "no copies" in result.stdout
    assert "2 again.png" not in (tmp_path / "page.html").read_text("utf-8")


def test_a_full_disk_leaves_the_old_page(
    run: Run, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "copies.html"
    page.write_text("old")
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    run("duplicates", copied, "--html", page, "--force", exit_code=1)
    assert page.read_text() == "old"
    assert list(tmp_path.iterdir()) == [page]


def test_a_collection_without_copies(run: Run, collection: Path) -> None:
    assert run("duplicates", collection, "--exact").stdout.endswith(
        "pictures.clr: no copies among 36 pictures\n"
    )


def test_wrong_use(run: Run, copied: Path, tmp_path: Path) -> None:
    both = run("duplicates", copied, "--exact", "--threshold", "0.9", exit_code=2)
    assert "either --exact or --threshold" in both.stderr
    high = run("duplicates", copied, "--threshold", "2", exit_code=2)
    assert "The threshold is 2." in high.stderr
    nowhere = run("duplicates", copied, "--under", "nowhere", exit_code=2)
    assert "lie under nowhere" in nowhere.stderr
    rule = run("duplicates", copied, "--keep", "best", exit_code=2)
    assert "no rule best" in rule.stderr
    missing = run("duplicates", tmp_path / "none.clr", exit_code=2)
    assert "none.clr" in missing.stderr


@pytest.mark.browser
def test_a_button_copies_the_command(
    run: Run, copied: Path, tmp_path: Path, chromium: Browser
) -> None:
    run("duplicates", copied, "--html", tmp_path / "copies.html")
    page = chromium.new_page()
    page.goto((tmp_path / "copies.html").as_uri())
    command = page.locator("code").first.inner_text()
    assert "--dismiss" in command
    page.get_by_role("button", name="Copy command").first.click()
    page.evaluate("document.body.innerHTML = '<textarea></textarea>'")
    page.locator("textarea").focus()
    page.keyboard.press("Control+V")
    assert page.locator("textarea").input_value().strip() == command
    page.close()
