"""A run as the app reads it: what training writes, what is damaged, and what a stranger plants."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clr_search.app.functions.training import Training
from clr_search.app.library import run as reading
from clr_search.app.library.asked import Asked
from clr_search.app.library.run import RunFolder
from clr_search.errors import ClrSearchError, UsageError
from clr_search.images.isolation import DecodingWorkers
from clr_search.train.monitor import album
from clr_search.train.monitor.metrics import METRICS, Row, append_row
from clr_search.train.network.initial import WEIGHTS
from clr_search.train.run import CONFIG


def row(epoch: int, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "epoch": epoch,
        "step": 4 * epoch,
        "images": 36,
        "loss": 3.0 / epoch,
        "learning_rate": 0.1,
        "contrastive_accuracy": 0.5,
        "images_per_second": 90.0,
        "data_wait": 0.1,
        "seconds": 2.0,
    }
    return Row(**{**values, **changes})


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 32), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "album").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"epochs": 3, "loss": "nt-xent", "extra": [1]}))
    (run / "album" / "sample.jpg").write_bytes(jpeg())
    for epoch in (1, 2):
        append_row(run / METRICS, row(epoch, knn_accuracy=0.4 if epoch == 2 else None))
    noted = [{"epoch": n, "images": 3, "neighbours": [[1, 2], [0, 2]]} for n in (0, 1, 2)]
    text = "".join(json.dumps(one) + "\n" for one in noted)
    (run / "album" / "neighbours.jsonl").write_text(text)
    return run


@pytest.fixture
def run(folder: Path) -> Iterator[RunFolder]:
    with DecodingWorkers(1) as workers:
        yield RunFolder(folder, workers)


def told(run: RunFolder, **values: object) -> dict[str, Any]:
    return Training(run).training(Asked(values))


def test_files_are_named_as_training_names_them() -> None:
    assert (reading.CONFIG, reading.METRICS, reading.WEIGHTS) == (CONFIG, METRICS, WEIGHTS)
    assert album.NEIGHBOURS.as_posix() == reading.NEIGHBOURS
    sheets = {"sample": album.SAMPLE.as_posix(), "views": album.VIEWS.as_posix()}
    assert sheets == reading.SHEETS
    assert reading.COLUMNS == album.COLUMNS
    assert set(reading.MEASURES) <= set(Row.__dataclass_fields__)


def test_what_a_run_has_is_told_and_follows_it(run: RunFolder, folder: Path) -> None:
    first = told(run)
    assert (first["at"], first["planned"], first["finished"]) == ([1, 2], 3, False)
    assert first["series"]["loss"] == [3.0, 1.5]
    assert first["series"]["knn_accuracy"] == [None, 0.4]
    assert "held_out_loss" not in first["series"]
    assert list(first["sheets"]) == ["sample"]
    assert first["noted"] == [0, 1, 2]
    assert ["loss", "nt-xent"] in first["settings"]
    assert told(run, tag=first["tag"])["same"]
    append_row(folder / METRICS, row(3))
    (folder / "weights.safetensors").write_bytes(b"")
    later = told(run, tag=first["tag"])
    assert (later["at"], later["finished"]) == ([1, 2, 3], True)


def test_neighbours_of_two_epochs(run: RunFolder) -> None:
    answer = Training(run).neighbours(Asked({"early": 0, "late": 2}))
    assert answer == {
        "noted": {"0": ((1, 2), (0, 2)), "2": ((1, 2), (0, 2))},
        "images": 3,
    }


def test_many_epochs_are_thinned_and_keep_the_last(run: RunFolder, folder: Path) -> None:
    lines = [json.dumps({"epoch": n, "loss": 1.0}) for n in range(1, 5001)]
    (folder / METRICS).write_text("\n".join(lines) + "\n")
    answer = told(run)
    assert len(answer["at"]) == 1000
    assert (answer["at"][0], answer["at"][-1], answer["epochs"]) == (1, 5000, 5000)


def test_what_is_damaged_is_left_out(run: RunFolder, folder: Path) -> None:
    with (folder / METRICS).open("a") as file:
        file.write('[1]\nno\n{"epoch": "3"}\n{"epoch": 4, "loss": NaN, "knn_accuracy": 1e999}\n')
        file.write('{"epoch": 5, "loss": true, "mean_cosine": "1"}\n{"epoch": 6, "lo')
    answer = told(run)
    assert answer["at"] == [1, 2, 4, 5]
    assert answer["series"]["loss"] == [3.0, 1.5, None, None]
    json.dumps(answer, allow_nan=False)
    wrong = [[[3]], [[-1]], [["1"]], [[True]], [1], 7, [[0] * 9], [[0]] * 9]
    rows = [{"epoch": 9, "images": 3, "neighbours": one} for one in wrong]
    rows += [{"epoch": 9, "images": 10**9, "neighbours": []}, {"images": 3}]
    (folder / "album" / "neighbours.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert told(run)["noted"] == []
    (folder / "config.json").write_text("[" * 100_000)
    assert told(run)["settings"] == []


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_nothing_is_read_through_a_link(
    run: RunFolder, folder: Path, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(jpeg())
    for name in (METRICS, "album/neighbours.jsonl", "album/sample.jpg"):
        (folder / name).unlink()
        if kind == "link":
            (folder / name).symlink_to(secret)
        else:
            os.mkfifo(folder / name)
    answer = told(run)
    assert (answer["at"], answer["noted"], answer["sheets"]) == ([], [], {})
    with pytest.raises(ClrSearchError):
        run.sheet("sample")


def test_a_sheet_is_decoded_and_encoded_anew(run: RunFolder, folder: Path) -> None:
    assert Image.open(io.BytesIO(run.sheet("sample"))).size == (64, 32)
    (folder / "album" / "sample.jpg").write_bytes(b"<script>alert(1)</script>")
    with pytest.raises(ClrSearchError):
        run.sheet("sample")
    with pytest.raises(ClrSearchError, match="no such pictures"):
        run.sheet("views")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with DecodingWorkers(1) as workers:
        with pytest.raises(UsageError, match="no folder"):
            RunFolder(tmp_path / "none", workers)
        with pytest.raises(UsageError, match=r"no config\.json"):
            RunFolder(tmp_path, workers)


def test_a_run_that_goes_away_is_told(run: RunFolder, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ClrSearchError, match="no longer there"):
        told(run)
