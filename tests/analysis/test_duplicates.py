"""Copies in a collection of real files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.analysis.duplicates import Duplicates, find_duplicates
from clr_search.errors import UsageError
from clr_search.index import Index
from tests.analysis.test_copy_thresholds import scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty scenes, three of them copied."""
    folder = tmp_path_factory.mktemp("copies")
    for number in range(30):
        Image.fromarray(scene(100 + number)).save(folder / f"{number:02d}.png")
    (folder / "more").mkdir()
    shutil.copy(folder / "03.png", folder / "more" / "03 again.png")
    shutil.copy(folder / "03.png", folder / "more" / "03 once more.png")
    with Image.open(folder / "05.png") as picture:
        picture.save(folder / "more" / "05 small.jpg", quality=70)
    with Image.open(folder / "07.png") as picture:
        picture.resize((256, 256)).save(folder / "more" / "07 large.png")
        picture.save(folder / "more" / "07.webp", quality=80)
    return folder


@pytest.fixture(scope="module")
def collection(folder: Path, tiny_encoder: Path) -> Path:
    with Index.create(folder.parent / "copies.clr", tiny_encoder) as index:
        index.update([folder])
    return folder.parent / "copies.clr"


def names(found: Duplicates) -> list[list[str]]:
    return [[copy.item.path.name for copy in group.copies] for group in found.groups]


def test_copies_are_grouped_and_the_best_is_kept(collection: Path) -> None:
    with Index.open(collection) as index:
        found = find_duplicates(index)
        assert names(find_duplicates(index)) == names(found)
    assert found.pictures == 35
    assert found.calibration is not None
    assert found.calibration.pictures == 33  # contents
    assert found.calibration.found["re-encoded"] == 1
    groups = {group.copies[0].item.path.name: group for group in found.groups}
    assert set(groups) == {"03.png", "05.png", "07 large.png"}
    same = groups["03.png"]
    assert [c.item.path.name for c in same.copies] == ["03.png", "03 again.png", "03 once more.png"]
    assert same.exact
    assert same.lowest == 1
    assert same.bytes_beside == 2 * same.copies[0].item.size
    large = groups["07 large.png"]
    assert {c.item.path.name for c in large.copies[1:]} == {"07.png", "07.webp"}
    for group in found.groups:
        assert [c.keep for c in group.copies] == [True] + [False] * (len(group.copies) - 1)
        assert all(group.lowest - 1e-6 <= c.score <= 1 for c in group.copies)
    assert not large.exact
    assert large.lowest >= found.calibration.cosine - 1e-6


def test_only_the_same_bytes(collection: Path) -> None:
    with Index.open(collection) as index:
        found = find_duplicates(index, exact=True)
    assert names(found) == [["03.png", "03 again.png", "03 once more.png"]]
    assert found.threshold is None
    assert found.calibration is None


def test_a_threshold_decides_alone(collection: Path) -> None:
    with Index.open(collection) as index:
        assert len(find_duplicates(index, threshold=1e-6).groups[0].copies) > 10
        found = find_duplicates(index, threshold=0.5)
        _, rows = index.vectors()
        ids, _ = index.vectors()
    place = {int(number): at for at, number in enumerate(ids)}
    for group in found.groups:
        members = rows[[place[copy.item.id] for copy in group.copies]]
        assert (members @ members.T).min() >= 0.5 - 1e-6


def test_below_a_folder(collection: Path) -> None:
    with Index.open(collection) as index:
        found = find_duplicates(index, exact=True, under="more")
        assert names(found) == [["03 again.png", "03 once more.png"]]
        assert found.pictures == 5
        with pytest.raises(UsageError, match="lie under nowhere"):
            find_duplicates(index, under="nowhere")


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, float("nan")])
def test_thresholds_out_of_range_are_refused(collection: Path, threshold: float) -> None:
    with Index.open(collection) as index, pytest.raises(UsageError, match="threshold is"):
        find_duplicates(index, threshold=threshold)


def test_files_that_have_gone(folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    """Without any file there is nothing to calibrate on; by a threshold, vectors still tell."""
    copied = Path(shutil.copytree(folder, tmp_path / "pictures"))
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([copied])
        (copied / "05.png").unlink()
        whole = find_duplicates(index)
        assert ["05.png", "05 small.jpg"] in names(whole)  # the vectors decide
        shutil.rmtree(copied)
        with pytest.raises(UsageError, match="None of 33 pictures"):
            find_duplicates(index)
        assert find_duplicates(index, threshold=0.999).groups
        assert len(find_duplicates(index, exact=True).groups) == 1


def test_one_picture_and_none(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "one" / "1.png")
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        assert find_duplicates(index) == Duplicates((), None, None, 0)
        index.update([tmp_path / "one"])
        assert find_duplicates(index) == Duplicates((), None, None, 1)


@pytest.mark.parametrize("threshold", [None, 0.9])
def test_a_crowd_of_copies_is_one_group(
    tiny_encoder: Path, tmp_path: Path, threshold: float | None
) -> None:
    """More of them than pairs are kept of a picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(scene(400 + number)).save(folder / f"{number:03d}.png")
    frame = scene(400).copy()
    for number in range(90):
        frame[0, number % 60, number % 3] ^= 1
        Image.fromarray(frame).save(folder / f"frame {number:03d}.png")
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([folder])
        found = names(find_duplicates(index, threshold=threshold))
    frames = {f"frame {number:03d}.png" for number in range(90)}
    (crowd,) = [group for group in found if frames & set(group)]
    assert frames | {"000.png"} <= set(crowd)


class TestFilesUnderSeveralNames:
    """Links: one file is no copy of itself, and removing a name of it frees nothing."""

    @pytest.fixture
    def linked(self, tmp_path: Path) -> Path:
        """A picture with a symbolic and a hard link, one with a true copy, and a larger one of it.

        Names that sort before those of the files, and links that are older: were it for age and
        path, the links would be kept.
        """
        folder = tmp_path / "pictures"
        folder.mkdir()
        for name in ("one.png", "two.png"):
            Image.fromarray(scene(300 + len(name) + ord(name[0]))).save(folder / name)
        shutil.copy(folder / "two.png", folder / "two again.png")
        (folder / "a link.png").symlink_to("one.png")
        (folder / "a hard link.png").hardlink_to(folder / "one.png")
        return folder

    def found(self, folder: Path, encoder: Path, **options: object) -> Duplicates:
        with Index.create(folder.parent / "c.clr", encoder) as index:
            index.update([folder])
            return find_duplicates(index, **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize("options", [{"exact": True}, {"threshold": 0.9999}])
    def test_are_no_copies(
        self, linked: Path, tiny_encoder: Path, options: dict[str, object]
    ) -> None:
        found = self.found(linked, tiny_encoder, **options)
        (group,) = found.groups
        assert {copy.item.path.name for copy in group.copies} == {"two.png", "two again.png"}
        assert found.pictures == 5

    def test_the_file_is_kept_and_not_the_link(self, linked: Path, tiny_encoder: Path) -> None:
        shutil.copy2(linked / "one.png", linked / "later.png")
        os.utime(linked / "later.png", (2e9, 2e9))
        found = self.found(linked, tiny_encoder, exact=True)
        group = next(g for g in found.groups if "later.png" in {c.item.path.name for c in g.copies})
        assert not group.copies[0].item.path.is_symlink()
        assert group.copies[0].item.path.samefile(linked / "one.png")
        assert [copy.item.path.name for copy in group.copies[1:]] == ["later.png"]
        assert group.bytes_beside == (linked / "one.png").stat().st_size

    def test_all_names_of_a_file_go_with_it_and_count_once(
        self, linked: Path, tiny_encoder: Path
    ) -> None:
        shutil.copy2(linked / "one.png", linked / "kept.png")
        os.utime(linked / "kept.png", (1, 1))
        found = self.found(linked, tiny_encoder, exact=True)
        group = next(g for g in found.groups if g.copies[0].item.path.name == "kept.png")
        names = {"one.png", "a link.png", "a hard link.png"}
        assert {copy.item.path.name for copy in group.copies[1:]} == names
        assert group.bytes_beside == (linked / "one.png").stat().st_size
        for copy in group.copies[1:]:
            copy.item.path.unlink()
        assert not any(path.is_symlink() for path in linked.iterdir())

    def test_a_link_to_a_file_elsewhere_frees_nothing(
        self, linked: Path, tiny_encoder: Path
    ) -> None:
        (linked / "chosen").mkdir()
        (linked / "chosen" / "link.png").symlink_to(linked / "one.png")
        shutil.copy2(linked / "one.png", linked / "chosen" / "true.png")
        (group,) = self.found(linked, tiny_encoder, exact=True, under="chosen").groups
        assert [copy.item.path.name for copy in group.copies] == ["true.png", "link.png"]
        assert group.bytes_beside == 0
