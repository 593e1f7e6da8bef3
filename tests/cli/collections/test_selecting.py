"""build-index: what is taken, what is told, and what is looked at again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from clr_search.index import Index
from clr_search.index.sync import survey
from tests.cli.conftest import Run


def names(collection: Path) -> set[str]:
    with Index.open(collection) as index:
        return {item.path.name for item in index.items(index.ids())}


def test_what_is_left_out_is_counted_and_named(run: Run, own: Path, tmp_path: Path) -> None:
    picture = next((tmp_path / "mine" / "red").iterdir())
    (tmp_path / "mine" / "noending").write_bytes(picture.read_bytes())
    (tmp_path / "mine" / "gone.jpg").symlink_to("nowhere")
    output = run("build-index", "mine", "--index", own).stdout
    assert "1 file is a picture, but not by the ending of the name; --any-name takes it." in output
    assert "1 link leads nowhere." in output
    assert "mine/noending" in run("build-index", "mine", "--index", own, "-v").stdout
    answer = json.loads(run("build-index", "mine", "--index", own, "--json").stdout)
    assert [Path(one["path"]).name for one in answer["left_out"]] == ["gone.jpg", "noending"]


def test_the_selection_is_kept(run: Run, own: Path, tmp_path: Path) -> None:
    picture = next((tmp_path / "mine" / "red").iterdir())
    (tmp_path / "mine" / "noending").write_bytes(picture.read_bytes())
    run("build-index", "mine", "--index", own, "--any-name")
    assert "noending" in names(own)
    run("build-index", "mine", "--index", own)
    assert "noending" in names(own)
    assert "12 removed" in run("build-index", "mine", "--index", own, "--exclude", "red").stdout
    assert "0 added" in run("build-index", "mine", "--index", own).stdout
    assert "12 added" in run("build-index", "mine", "--index", own, "--exclude", "none").stdout


def test_a_collection_alone_is_refreshed(run: Run, own: Path, tmp_path: Path) -> None:
    single = tmp_path / "single.png"
    Image.new("RGB", (9, 9), "blue").save(single)
    run("add", own, single)
    Image.new("RGB", (9, 9), "green").save(tmp_path / "mine" / "new.png")
    Image.new("RGB", (19, 9), "green").save(single)
    output = run("build-index", "--index", own).stdout
    assert "1 added, 1 changed" in output
    os.rename(tmp_path / "mine", tmp_path / "away")  # noqa: PTH104
    done = run("build-index", "--index", own)
    assert "mine is not there; its pictures stay." in done.stderr
    single.unlink()
    assert "Nothing that" in run("build-index", "--index", own, exit_code=2).stderr
    assert "Missing argument" in run("build-index", "--index", "no.clr", exit_code=2).stderr


def repaint(path: Path) -> None:
    """Other content of the same size and time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-3] ^= 255
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("how", ["ctime", "verify"])
def test_a_change_behind_size_and_time_is_noticed(
    run: Run, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(survey, "_MARGIN_NS", 0 if how == "ctime" else -(10**12))
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.bmp")
    (tmp_path / "p").mkdir()
    (tmp_path / "a.bmp").rename(tmp_path / "p" / "a.bmp")
    run("build-index", "p", "--index", "x.clr", "--encoder", tiny_encoder)
    repaint(tmp_path / "p" / "a.bmp")
    options = ["--verify"] if how == "verify" else []
    if how == "verify":
        assert "1 unchanged" in run("build-index", "p", "--index", "x.clr").stdout
    assert "1 changed" in run("build-index", "p", "--index", "x.clr", *options).stdout
    assert "1 unchanged" in run("build-index", "p", "--index", "x.clr", *options).stdout


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\0"])
def test_paths_come_from_lists(run: Run, own: Path, tmp_path: Path, ending: str) -> None:
    pictures = sorted(map(str, (tmp_path / "mine").rglob("*.*")))[:5]
    (tmp_path / "list").write_bytes("".join(name + ending for name in pictures).encode())
    found = run("search", own, "@list", "-k", 1, "--json").stdout.splitlines()
    assert [json.loads(line)["query"] for line in found] == pictures
    assert "Removed 5" in run("remove", own, "@list").stdout
    (tmp_path / "list").write_bytes(b"no such file.jpg\n")
    assert "no such file.jpg" in run("search", own, "@list", exit_code=2).stderr
    assert "cannot be read" in run("search", own, "@none", exit_code=2).stderr


def test_paths_come_from_stdin(own: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from clr_search.cli.main import main

    pictures = sorted(map(str, (tmp_path / "mine").rglob("*.*")))[:2]
    given = "\n".join(pictures)
    done = CliRunner().invoke(main, ["search", str(own), "-", "--json"], input=given)
    assert [json.loads(line)["query"] for line in done.stdout.splitlines()] == pictures
