"""copy, and addresses of Milvus where a collection may stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Replicas of the tests' own."""
    monkeypatch.setenv("CLR_SEARCH_CACHE", str(tmp_path / "cache"))


def test_a_collection_goes_to_milvus_and_is_used_there(run: Run, own: Path, tmp_path: Path) -> None:
    place = "milvus+file:all.db/mine"
    said = run("copy", own, place).stdout
    assert said.startswith(f"Copied 36 images to milvus+file:{tmp_path}/all.db/mine in ")
    again = json.loads(run("copy", own, place, "--json").stdout)
    assert (again["copied"], again["unchanged"]) == (0, 36)
    query = sorted((tmp_path / "mine/red").iterdir())[0]
    for options in ([], ["--label", "green"], ["--where", "width > 50"], ["--glob", "*1.png"]):
        found = [
            [
                (match["path"], round(match["score"], 6), match["label"], match["percentile"])
                for match in json.loads(run("search", one, query, *options, "--json").stdout)[
                    "results"
                ]
            ]
            for one in (own, place)
        ]
        assert found[0] == found[1] != []
    info = json.loads(run("info", place, "--json").stdout)
    assert (info["kind"], info["count"]) == ("collection", 36)
    assert info["path"] == f"milvus+file:{tmp_path}/all.db/mine"
    assert "on this machine" in run("info", place).stdout
    run("probe", place, "--out", "probe.onnx")
    assert run("classify", "--knn", place, query).stdout.split()[1] == "red"
    assert "36 images" not in run("remove", place, "mine/red").stdout
    assert "12 added" in run("build-index", "--index", place).stdout
    run("export-vectors", place, "--out", "vectors.npy")
    run("build-index", "--vectors", "vectors.npy", "--index", "milvus+file:all.db/vectors")
    assert "Copied 36" in run("copy", place, "back.clr").stdout
    assert "36 unchanged" in run("build-index", "mine", "--index", "back.clr").stdout


def test_what_cannot_be_done_there_says_what_to_do(run: Run, own: Path, tmp_path: Path) -> None:
    place = f"milvus+file:{tmp_path}/all.db/mine"
    run("copy", own, place)
    for arguments, words in (
        (("repair", place), "which keeps its own copies"),
        (("build-index", "mine", "--index", place, "--graph"), "is not of milvus+file:"),
        (("search", f"{tmp_path}/all.db/mine", "a.jpg"), "There is no collection"),
        (("info", "milvus://me:secret@host/photos"), "holds no password"),
        (("search", "milvus+file:photos.db", "a.jpg"), "names no file of milvus-lite"),
        (("copy", own, own), "is the source itself"),
    ):
        failed = run(*arguments, exit_code=2).stderr
        assert words in failed
        assert "secret" not in failed
    failed = run("search", "milvus://127.0.0.1:1/photos", "a.jpg", exit_code=1).stderr
    assert "Milvus at http://127.0.0.1:1 cannot be reached" in failed
    assert "Traceback" not in failed
