"""What a run shows people: a sheet of views, a sample of pictures, and their neighbours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from clr_search.files.nofollow import NotOursError
from clr_search.files.own import OwnFolder
from clr_search.train import TrainConfig, begin, train
from clr_search.train.monitor import album, epoch
from clr_search.train.monitor.album import (
    COLUMNS,
    NEIGHBOURS,
    SAMPLE,
    SHOWN,
    TILE,
    VIEW,
    VIEWS,
    VIEWS_OF_EACH,
    append_neighbours,
    nearest,
    truncate_neighbours,
)
from clr_search.train.settings.augmentation import Augmentation


def rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / NEIGHBOURS).read_text().splitlines()]


def test_a_run_has_its_sheets_and_neighbours_of_every_epoch(
    tiny: TrainConfig, pictures: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "run", tiny).run
    assert Image.open(run / SAMPLE).size == (COLUMNS * TILE, 3 * TILE)  # of 36 pictures
    assert Image.open(run / VIEWS).size == ((1 + VIEWS_OF_EACH) * VIEW, SHOWN * VIEW)
    noted = rows(run)
    assert [row["epoch"] for row in noted] == [0, 1, 2, 3]
    for row in noted:
        assert row["images"] == 36
        neighbours = row["neighbours"]
        assert isinstance(neighbours, list)
        for query, others in enumerate(neighbours):
            assert query not in others
            assert len(set(others)) == 8
            assert all(0 <= other < 36 for other in others)


def test_views_are_of_the_picture_at_the_left(
    tiny: TrainConfig, pictures: Path, tmp_path: Path
) -> None:
    """Without any augmentation but the crop, the views have the colour of their picture."""
    plain = Augmentation(jitter=0.0, grey=0.0, blur=0.0, flip=0.0, crop_scale=(0.9, 1.0))
    run = train([pictures], tmp_path / "run", replace(tiny, augmentation=plain, epochs=1)).run
    sheet = np.asarray(Image.open(run / VIEWS)).astype(float)
    for line in range(SHOWN):
        tiles = sheet[line * VIEW : (line + 1) * VIEW]
        middles = [
            tiles[VIEW // 4 : -VIEW // 4, at * VIEW + VIEW // 4 : (at + 1) * VIEW - VIEW // 4]
            for at in range(1 + VIEWS_OF_EACH)
        ]
        first, *views = [middle.mean(axis=(0, 1)) for middle in middles]
        for view in views:
            assert np.abs(view - first).max() < 25


def test_the_album_changes_nothing_of_the_training(
    tiny: TrainConfig, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_album = train([pictures], tmp_path / "with", tiny).run
    monkeypatch.setattr(epoch, "write_sheets", lambda *_: None)
    monkeypatch.setattr(epoch, "append_neighbours", lambda *_: None)
    without = train([pictures], tmp_path / "without", tiny).run
    one, other = (load_file(run / "weights.safetensors") for run in (with_album, without))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_run_goes_on_with_its_neighbours(
    tiny: TrainConfig, pictures: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "run", tiny).run
    whole = (run / NEIGHBOURS).read_text()
    (run / "weights.safetensors").unlink()  # as if it had been killed at its end
    (run / VIEWS).unlink()  # as in a run of an older release
    with (run / NEIGHBOURS).open("a") as file:
        file.write('{"epoch": 4, "images": 36, "neighbours": []}\n{"epo')
    train([pictures], run, tiny, resume=True)
    assert (run / NEIGHBOURS).read_text() == whole
    assert (run / VIEWS).exists()


@pytest.mark.parametrize("name", ["album", "album/neighbours.jsonl", "album/views.jpg"])
def test_nothing_is_written_through_a_link(
    name: str, tiny: TrainConfig, pictures: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "run", replace(tiny, epochs=1)).run
    (run / "weights.safetensors").unlink()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("my thesis")
    if name == "album":
        (run / name).rename(tmp_path / "elsewhere")
        (run / name).symlink_to(mine)
    else:
        (run / name).unlink()
        (run / name).symlink_to(mine / "thesis.txt")
    with pytest.raises(NotOursError, match=f"{Path(name).name} is a link"):
        train([pictures], run, replace(tiny, epochs=1), resume=True)
    assert [path.read_text() for path in mine.iterdir()] == ["my thesis"]


def test_a_new_run_takes_the_place_of_an_old_album(tmp_path: Path) -> None:
    (tmp_path / "run" / "album").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text("{}")
    for path in (SAMPLE, VIEWS, NEIGHBOURS):
        (tmp_path / "run" / path).write_bytes(b"old")
    begin._make_room(tmp_path / "run", force=True)
    assert list((tmp_path / "run").iterdir()) == []


def test_rows_after_an_epoch_and_broken_ones_go(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path)
    for number in (0, 1, 2):
        append_neighbours(folder, number, torch.eye(9))
    path = tmp_path / NEIGHBOURS
    path.write_text("no json\n[1]\n" + path.read_text() + '{"epoch": "1"}\n{"epoch": 1')
    truncate_neighbours(folder, 1)
    assert [row["epoch"] for row in rows(tmp_path)] == [0, 1]
    truncate_neighbours(folder, -1)
    assert rows(tmp_path) == []
    truncate_neighbours(OwnFolder.make(tmp_path / "empty"), 3)


def test_neighbours_are_the_nearest_by_a_slow_loop() -> None:
    h = torch.nn.functional.normalize(torch.randn(40, 5, generator=torch.manual_seed(1)))
    for query, found in enumerate(nearest(h)):
        others = [at for at in range(40) if at != query]
        others.sort(key=lambda at: -float(h[query] @ h[at]))
        assert found == others[: album.NEAREST]
