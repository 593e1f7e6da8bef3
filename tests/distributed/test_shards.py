"""Embeddings as Parquet files, by the pipeline of this process: no cluster is needed for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clr_search.cli.main import main
from clr_search.distributed import shards as parts
from clr_search.distributed.embedding import collect, embed_into
from clr_search.distributed.rows import columns_of, columns_of_failure, failure_in, results_of
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.failures import StoreError
from clr_search.images import Note
from clr_search.images.metadata.exif import Exif
from clr_search.index import Index
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embed, Embedded, Skipped, by_pipeline
from tests.tiny import write_pictures, write_tiny_encoder

LOCAL: Embed = by_pipeline(8, 1, None)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = write_pictures(tmp_path / "photos")
    (folder / "red" / "broken.png").write_bytes(b"x")
    (folder / "red/red00.jpg").rename(folder / os.fsdecode(b"red/caf\xe9.jpg"))
    exif = Image.Exif()
    exif[272] = "Camera 3"
    Image.new("RGB", (20, 30)).save(folder / "blue/with.jpg", exif=exif)
    return folder


@pytest.fixture
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, device="cpu")


def counting(most: int | None = None) -> tuple[Embed, list[str]]:
    """The pipeline, and the paths that it was given; it fails after so many."""
    asked: list[str] = []

    def embed(encoder: Encoder, paths: Sequence[str]) -> Iterator[Any]:
        for batch in LOCAL(encoder, paths):
            if most is not None and len(asked) >= most:
                raise ClrSearchError("The engine is gone.")
            asked.extend(str(result.path) for result in batch)
            yield batch

    return embed, asked


def test_rows_come_back_as_they_went() -> None:
    vector = np.arange(4, dtype=np.float32)
    results = [
        Embedded(Path(os.fsdecode(b"/a/\xe9.jpg")), 3, -5, "ab", 4, 5, vector),
        Embedded(
            ObjectPath("s3://bucket/a b.jpg"), 1, 2**62, "cd", 1, 2, vector,
            (Note("loss", "3 rows missing"),), Exif(None, "Camera", 1.5, -2.5),
        ),
        Skipped(Path("/a/b.jpg"), 0, 0, "half of a pair: \ud800"),
    ]  # fmt: skip
    back = results_of(columns_of(results, 4))
    assert back[:2] == results[:2]
    assert [(type(r.path), str(r.path)) for r in back] == [
        (type(r.path), str(r.path)) for r in results
    ]
    assert isinstance(back[0], Embedded)
    np.testing.assert_array_equal(back[0].vector, vector)
    assert isinstance(back[2], Skipped)
    assert back[2].reason == "half of a pair: \\ud800"


def test_an_error_travels_as_a_row() -> None:
    columns = columns_of_failure(StoreError("The store is away", "Wait."), 4)
    failure = failure_in(columns)
    assert failure is not None
    assert (failure.what, failure.remedy) == ("The store is away.", "Wait.")
    assert failure_in(columns_of([Skipped(Path("/a.jpg"), 0, 0, "[1]")], 4)) is None


def test_a_collection_of_the_files_is_the_one_that_is_made_at_once(
    photos: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS", 10)
    done = embed_into(tmp_path / "embedded", [photos], encoder, LOCAL)
    assert (done.embedded, done.unchanged, len(done.skipped)) == (37, 0, 1)
    assert len(list((tmp_path / "embedded").glob("part-*.parquet"))) == 4
    report, info = collect(tmp_path / "embedded", tmp_path / "ours.clr")
    assert (report.added, len(report.skipped), info.count) == (37, 1, 37)
    with (
        Index.create(tmp_path / "theirs.clr", encoder.path) as theirs,
        Index.open(tmp_path / "ours.clr", writable=True) as ours,
    ):
        theirs.update([photos])
        mine, other = ours.embeddings(), theirs.embeddings()
        assert list(mine.paths) == list(other.paths)
        assert mine.labels == other.labels
        np.testing.assert_allclose(mine.vectors, other.vectors, atol=1e-3)
        assert ours.contents() == theirs.contents()
        assert [str(root) for root in ours.info().roots] == [str(photos.resolve())]
        again = ours.update([photos])  # it looks at the files, and finds them as they are
        assert (again.unchanged, again.added, len(again.skipped)) == (37, 0, 1)
        assert len(ours.ids(where="camera = 'Camera 3'")) == 1


def test_a_run_that_was_cut_short_goes_on_and_embeds_nothing_twice(
    photos: Path, encoder: Encoder, tmp_path: Path
) -> None:
    folder = tmp_path / "embedded"
    embed, first = counting(most=16)
    with pytest.raises(ClrSearchError, match=r"The engine is gone; 16 of 38 images are done"):
        embed_into(folder, [photos], encoder, embed)
    embed, second = counting()
    done = embed_into(folder, [photos], encoder, embed)
    assert (done.embedded, done.unchanged) == (21 if _broken(second) else 22, 16)
    assert not {*first} & {*second}
    assert len(first) + len(second) == 38
    embed, third = counting()
    done = embed_into(folder, [photos], encoder, embed)
    assert third == []
    assert (done.embedded, done.unchanged) == (0, 38)


def _broken(paths: list[str]) -> bool:
    return any(path.endswith("broken.png") for path in paths)


def test_what_has_changed_is_embedded_again_and_the_newest_counts(
    photos: Path, encoder: Encoder, tmp_path: Path
) -> None:
    folder, changed = tmp_path / "embedded", photos / "blue" / "blue01.png"
    embed_into(folder, [photos], encoder, LOCAL)
    collect(folder, tmp_path / "a.clr")
    Image.new("RGB", (50, 40), (9, 200, 90)).save(changed)
    embed, asked = counting()
    embed_into(folder, [photos], encoder, embed)
    assert asked == [str(changed.resolve())]
    report, _ = collect(folder, tmp_path / "a.clr")
    assert (report.changed, report.unchanged, report.added) == (1, 36, 0)
    report, _ = collect(folder, tmp_path / "b.clr")
    assert report.added == 37
    with Index.open(tmp_path / "a.clr") as a, Index.open(tmp_path / "b.clr") as b:
        assert a.item(a.id_at(changed)).sha256 == b.item(b.id_at(changed)).sha256


def test_folders_that_are_something_else_are_refused(
    photos: Path, encoder: Encoder, tmp_path: Path
) -> None:
    folder = tmp_path / "embedded"
    embed_into(folder, [photos / "red"], encoder, LOCAL)
    other = write_tiny_encoder(tmp_path / "other.onnx", seed=9)
    with pytest.raises(UsageError, match="holds vectors of another encoder"):
        embed_into(folder, [photos], Encoder(other), LOCAL)
    with Index.create(tmp_path / "other.clr", other):
        pass
    with pytest.raises(UsageError, match="encoder"):
        collect(folder, tmp_path / "other.clr")
    with pytest.raises(UsageError, match=r"holds no embeddings of build-index --to-parquet"):
        collect(photos, tmp_path / "x.clr")
    assert not (tmp_path / "x.clr").exists()
    with pytest.raises(UsageError, match=r"holds no embeddings"):
        embed_into(photos, [photos], encoder, LOCAL)
    part = folder / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(ClrSearchError, match=r"part-000001.parquet is damaged"):
        collect(folder, tmp_path / "y.clr")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def command(*words: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        shown = capsys.readouterr()
        assert ended.value.code == code, shown
        return shown.err if code else shown.out

    return command


def test_the_command_line(run, photos, tiny_encoder, tmp_path):
    folder, collection = tmp_path / "embedded", tmp_path / "a.clr"
    made = run("build-index", photos, "--encoder", tiny_encoder, "--to-parquet", folder, "--json")
    assert json.loads(made)["embedded"] == 37
    assert [entry["reason"] for entry in json.loads(made)["skipped"]]
    again = run("build-index", photos, "--encoder", tiny_encoder, "--to-parquet", folder)
    assert "0 embedded, 38 unchanged" in again
    assert "37 added" in run("build-index", "--from-parquet", folder, "--index", collection)
    assert "37 unchanged" in run("build-index", "--index", collection)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photos"], "Missing option '--index'"),
        (["photos", "--index", "a.clr", "--to-parquet", "p"], "give one of them"),
        (["--to-parquet", "p"], "needs IMAGES"),
        (["photos", "--from-parquet", "photos", "--index", "a.clr"], "takes the place of IMAGES"),
        (["photos", "--index", "a.clr", "--address", "auto"], "--address belongs to --engine ray"),
        (
            ["photos", "--index", "a.clr", "--gpu-share", "0.5"],
            "--gpu-share belongs to --engine ray",
        ),
        (["photos", "--index", "a.clr", "--engine", "ray", "--gpu-share", "0"], "0<x<=1"),
        (
            ["photos", "--index", "a.clr", "--engine", "ray", "--device", "cuda"],
            "--gpu-share chooses",
        ),
        (["photos", "--index", "a.clr", "--engine", "ray", "--watch"], "--watch cannot go with"),
        (["photos", "--to-parquet", "p", "--rebuild"], "--rebuild cannot go with"),
    ],
)
def test_options_that_do_not_go_together(run, photos, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in run("build-index", *words, code=2)
    assert not (tmp_path / "a.clr").exists()


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("127.0.0.1:9", 1, "There is no cluster of Ray at 127.0.0.1:9 that can be reached"),
        ("no-such-host.invalid:6379", 1, "There is no cluster of Ray at no-such-host.invalid"),
        ("ray://head", 2, "is no address of a cluster"),
    ],
)
def test_a_cluster_that_is_not_there(run, photos, tiny_encoder, tmp_path, address, code, said):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    words = ["build-index", photos, "--index", tmp_path / "a.clr", "--encoder", tiny_encoder]
    shown = run(*words, "--engine", "ray", "--address", address, code=code)
    assert said in shown
    assert not (tmp_path / "a.clr").exists()


def test_ray_that_is_not_installed_is_named(run, photos, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["build-index", photos, "--index", tmp_path / "a.clr", "--encoder", tiny_encoder]
    assert "pip install 'clr-search[ray]'" in run(*words, "--engine", "ray", code=2)
