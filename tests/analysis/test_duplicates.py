"""Copies in a collection of real files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.drawn import DRAWN
from clr_search.analysis.copies import Duplicates, Group
from clr_search.analysis.copy_thresholds import LEAST
from clr_search.analysis.duplicates import find_duplicates
from clr_search.analysis.keepers import Keep
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
    assert found.gone == found.unread == found.unjudged == found.dismissed == 0
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


def test_only_the_same_bytes(collection: Path) -> None:
    with Index.open(collection) as index:
        found = find_duplicates(index, exact=True)
    assert names(found) == [["03.png", "03 again.png", "03 once more.png"]]
    assert found.threshold is None
    assert found.calibration is None


def test_a_threshold_only_says_what_is_compared(collection: Path) -> None:
    """However low it is, pictures that differ are no copies."""
    with Index.open(collection) as index:
        expected = sorted(map(sorted, names(find_duplicates(index))))
        found = find_duplicates(index, threshold=1e-6)
    assert sorted(map(sorted, names(found))) == expected
    assert found.calibration is None
    assert found.threshold == 1e-6


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


class TestFilesThatAreGone:
    """What does not exist is never kept, never proposed, and is no witness for others."""

    @pytest.fixture
    def copied(self, folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "pictures"))

    @pytest.mark.parametrize("options", [{}, {"threshold": 0.5}, {"exact": True}])
    def test_a_folder_renamed_and_indexed_again(
        self, copied: Path, tiny_encoder: Path, tmp_path: Path, options: dict[str, object]
    ) -> None:
        with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
            index.update([copied])
            shutil.copytree(copied, tmp_path / "again")
            index.add([tmp_path / "again"])
            copied.rename(tmp_path / "renamed")
            found = find_duplicates(index, **options)  # type: ignore[arg-type]
        assert found.pictures == 70
        assert found.gone == 35
        assert found.groups
        living = [copy.item.path for group in found.groups for copy in group.copies]
        assert all(path.exists() for path in living)
        assert all("again" in path.parts for path in living)

    def test_a_group_loses_its_missing_picture(
        self, copied: Path, tiny_encoder: Path, tmp_path: Path
    ) -> None:
        with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
            index.update([copied])
            (copied / "05.png").unlink()
            found = find_duplicates(index)
            assert found.gone == 1
            assert not any("05 small.jpg" in group for group in names(found))
            shutil.rmtree(copied)
            for options in ({}, {"threshold": 0.9}, {"exact": True}):
                found = find_duplicates(index, **options)
                assert found.groups == ()
                assert found.gone == 35

    def test_a_picture_that_cannot_be_read_is_in_no_pair(
        self, copied: Path, tiny_encoder: Path, tmp_path: Path
    ) -> None:
        with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
            index.update([copied])
            (copied / "05.png").write_bytes(b"x" * (copied / "05.png").stat().st_size)
            found = find_duplicates(index, threshold=0.01)
        assert found.unread == 1
        assert not any("05.png" in group or "05 small.jpg" in group for group in names(found))

    def test_files_are_looked_at_again_at_the_end(
        self, copied: Path, tiny_encoder: Path, tmp_path: Path
    ) -> None:
        with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
            index.update([copied])
            found = find_duplicates(index, threshold=LEAST)
        assert found.confirmed() == found
        (copied / "07 large.png").unlink(missing_ok=True)
        (copied / "more" / "07 large.png").unlink()  # the one to be kept
        (copied / "03.png").write_bytes(b"other")  # the first of three of the same bytes
        now = found.confirmed()
        left = {frozenset(group) for group in names(now)}
        assert left == {
            frozenset({"03 again.png", "03 once more.png"}),
            frozenset({"05.png", "05 small.jpg"}),
        }
        assert now.unread == 2
        (same,) = (group for group in now.groups if group.exact)
        assert [copy.keep for copy in same.copies] == [True, False]


def drawn_collection(tmp_path: Path, encoder: Path, kind: str, count: int = 7) -> Index:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(count):
        DRAWN[kind](number, 5).save(folder / f"{number:02d}.png")
    index = Index.create(tmp_path / "c.clr", encoder)
    index.update([folder])
    return index


@pytest.mark.parametrize("kind", DRAWN)
def test_pictures_that_all_differ_make_no_group(
    tiny_encoder: Path, tmp_path: Path, kind: str
) -> None:
    with drawn_collection(tmp_path, tiny_encoder, kind) as index:
        found = find_duplicates(index)
    assert names(found) == []
    if kind == "blank or dark":
        assert found.unjudged == 7


@pytest.mark.parametrize("kind", ["text pages", "forms", "scans", "icons", "medical", "renderings"])
def test_copies_among_pictures_that_look_alike(
    tiny_encoder: Path, tmp_path: Path, kind: str
) -> None:
    with drawn_collection(tmp_path, tiny_encoder, kind, 5) as index:
        DRAWN[kind](3, 5).convert("RGB").save(tmp_path / "pictures" / "copy.jpg", quality=70)
        index.update([tmp_path / "pictures"])
        assert {frozenset(group) for group in names(find_duplicates(index))} == {
            frozenset({"03.png", "copy.jpg"})
        }


def test_a_page_without_its_margin_is_found(tiny_encoder: Path, tmp_path: Path) -> None:
    """Its vector differs from that of the page by more than those of two pages do."""
    with drawn_collection(tmp_path, tiny_encoder, "forms", 5) as index:
        page = DRAWN["forms"](3, 5).convert("RGB")
        page.crop((62, 87, 620, 877)).save(tmp_path / "pictures" / "cut.jpg", quality=90)
        index.update([tmp_path / "pictures"])
        found = find_duplicates(index, threshold=1.0)
    assert {frozenset(group) for group in names(found)} == {frozenset({"03.png", "cut.jpg"})}


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
        (Image.Transpose.ROTATE_90, "turned by"),
        (Image.Transpose.ROTATE_180, "turned by 180°"),
        (Image.Transpose.TRANSPOSE, "mirrored and turned by"),
    ],
)
def test_mirrored_and_turned_copies_are_found_and_not_proposed(
    tiny_encoder: Path, tmp_path: Path, turn: Image.Transpose, said: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        wide = Image.fromarray(scene(600 + number, 400)).crop((0, 0, 400, 300))
        wide.save(folder / f"{number}.png")
        if number == 4:
            wide.transpose(turn).save(folder / "turned.png")
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([folder])
        (group,) = find_duplicates(index).groups
    assert {copy.item.path.name for copy in group.copies} == {"4.png", "turned.png"}
    assert said in group.copies[1].turn
    assert group.could_go == 0


class TestWhatIsKept:
    """The picture to be kept is worse than none that could go."""

    def group(self, folder: Path, encoder: Path, *keep: str) -> Group:
        with Index.create(folder.parent / "c.clr", encoder) as index:
            index.update([folder])
            rules = [Keep.parse(rule) for rule in keep]
            # No chosen threshold compares more, and to choose one takes longer than all else.
            (group,) = find_duplicates(index, threshold=LEAST, keep=rules).groups
        return group

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(5):
            Image.fromarray(scene(700 + number, 320)).save(folder / f"{number}.png")
        return folder

    def test_colour_before_grey_even_where_grey_is_larger(
        self, folder: Path, tiny_encoder: Path
    ) -> None:
        with Image.open(folder / "2.png") as picture:
            grey = picture.convert("L")
        grey.resize((640, 640)).save(folder / "large grey.png")
        grey.save(folder / "grey.png")
        group = self.group(folder, tiny_encoder)
        assert group.copies[0].item.path.name == "2.png"
        told = {copy.item.path.name: (copy.keep, copy.why) for copy in group.copies[1:]}
        assert told == {"large grey.png": (True, "it is larger"), "grey.png": (False, "")}

    def test_camera_before_export_before_none(self, folder: Path, tiny_encoder: Path) -> None:
        with Image.open(folder / "2.png") as picture:
            camera = Image.Exif()
            camera[0x010F], camera[0x0110] = "Maker", "X100"
            picture.save(folder / "camera.jpg", quality=80, exif=camera)
            camera[0x0131] = "Adobe Lightroom 9"
            picture.save(folder / "export.jpg", quality=95, exif=camera)
        group = self.group(folder, tiny_encoder)
        assert group.copies[0].item.path.name == "camera.jpg"
        assert group.could_go == 2

    def test_a_part_does_not_stand_for_the_whole(self, folder: Path, tiny_encoder: Path) -> None:
        with Image.open(folder / "2.png") as picture:
            picture.crop((0, 0, 288, 288)).resize((640, 640)).save(folder / "part.png")
        group = self.group(folder, tiny_encoder)
        assert [copy.item.path.name for copy in group.copies] == ["part.png", "2.png"]
        assert group.copies[1].why == "it shows more"
        assert group.could_go == 0

    @pytest.mark.parametrize(
        ("rules", "kept"),
        [
            (["newest"], "copy.jpg"),
            (["oldest"], "old.webp"),
            (["largest"], "2.png"),
            (["path=*/old*"], "old.webp"),
            (["format=jpg"], "copy.jpg"),
            (["format=bmp", "oldest"], "old.webp"),
        ],
    )
    def test_rules(self, folder: Path, tiny_encoder: Path, rules: list[str], kept: str) -> None:
        with Image.open(folder / "2.png") as picture:
            picture.resize((256, 256)).save(folder / "copy.jpg", quality=90)
            picture.resize((288, 288)).save(folder / "old.webp", quality=90)
        os.utime(folder / "copy.jpg", (2e9, 2e9))
        os.utime(folder / "old.webp", (1e9, 1e9))
        group = self.group(folder, tiny_encoder, *rules)
        assert group.copies[0].item.path.name == kept
        assert group.could_go == 2

    @pytest.mark.parametrize("rule", ["best", "newest=1", "path", "path=", "format="])
    def test_no_such_rule(self, rule: str) -> None:
        with pytest.raises(UsageError, match="no rule") as caught:
            Keep.parse(rule)
        assert "oldest" in caught.value.remedy


def test_what_is_dismissed_is_remembered(folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "pictures"))
    with Index.create(tmp_path / "c.clr", tiny_encoder) as index:
        index.update([copied])
        before = find_duplicates(index, threshold=LEAST)
        ids = {copy.item.path.name: copy.item.id for g in before.groups for copy in g.copies}
        index.dismiss([ids["05.png"], ids["05 small.jpg"]])  # not a copy
        index.dismiss([ids["03.png"], ids["03 again.png"]])  # of the same bytes: keep all
        index.dismiss([ids["07.webp"]], against=[ids["07.png"], ids["07 large.png"]])
        copied.rename(tmp_path / "moved")
        index.update([tmp_path / "moved"])
        now = find_duplicates(index, threshold=LEAST)
        assert {frozenset(group) for group in names(now)} == {frozenset({"07 large.png", "07.png"})}
        assert now.dismissed == 3 + 1
        assert names(find_duplicates(index, threshold=LEAST, dismissed=True)) == names(before)
        index.dismiss([ids["05.png"], ids["05 small.jpg"]], undo=True)
        assert len(find_duplicates(index, threshold=LEAST).groups) == 2
        with pytest.raises(UsageError, match="no copy of itself"):
            index.dismiss([ids["03.png"]])
    with Index.open(tmp_path / "c.clr") as reader, pytest.raises(UsageError, match="reading only"):
        reader.dismiss([1, 2])


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
