from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.finding.left_out import LeftOut
from clr_search.files.finding.selection import Selection
from clr_search.files.write import sha256_file
from clr_search.index import Index, UpdateReport
from clr_search.index.catalog import paths as catalog_paths
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import PathSet
from clr_search.index.sync import survey
from clr_search.serve import pipeline
from clr_search.serve.pipeline import embed_files
from tests.index.made import Heard, rows_of, write_noise


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty-five pictures in three folders."""
    return write_noise(tmp_path / "photos", 25)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as opened:
        yield opened


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of all files that went through the encoder."""
    seen: list[str] = []

    def watched(encoder, paths, **options):
        paths = list(paths)
        seen.extend(str(path) for path in paths)
        return embed_files(encoder, paths, **options)

    monkeypatch.setattr(pipeline, "embed_files", watched)
    return seen


def counts(report: UpdateReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.removed, report.unchanged


def some(photos: Path, number: int = 0) -> Path:
    return sorted(photos.rglob("*.png"))[number]


def paint(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_new_files_come_in_once(index: Index, photos: Path, embedded: list[str]) -> None:
    assert counts(index.update([photos])) == (25, 0, 0, 0)
    assert counts(index.update([photos])) == (0, 0, 0, 25)
    assert len(embedded) == 25
    paint(photos / "new" / "a.png", 1)
    assert counts(index.update([photos])) == (1, 0, 0, 25)
    assert len(index) == 26
    assert photos / "new" / "a.png" in index
    assert index.info().roots == (photos,)


def test_an_item_is_what_is_on_disk(index: Index, photos: Path) -> None:
    paint(photos / "wide" / "a.png", 1)
    index.update([photos])
    (number,) = index.ids(label="wide")
    item = index.item(number)
    status = (photos / "wide" / "a.png").stat()
    assert item.path == photos / "wide" / "a.png"
    assert (item.width, item.height) == (30, 20)
    assert (item.size, item.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert item.sha256 == sha256_file(item.path)
    assert item.added_at.endswith("+00:00")


def test_vectors_are_those_of_the_encoder(index: Index, photos: Path) -> None:
    index.update([photos])
    ids, vectors = index.vectors()
    paths = [index.item(number).path for number in ids.tolist()]
    np.testing.assert_allclose(vectors, index.encoder.encode(paths), atol=1e-3)


def test_a_changed_file_is_embedded_again_under_its_id(index: Index, photos: Path) -> None:
    index.update([photos])
    path = some(photos)
    (before,) = index.search(path, 1, include_self=True).ids
    paint(path, 9)
    assert counts(index.update([photos])) == (0, 1, 0, 24)
    found = index.search(path, 1, include_self=True)
    assert found.ids.tolist() == [before]
    assert found.scores[0] == pytest.approx(1, abs=1e-5)


def test_a_touched_file_is_not(index: Index, photos: Path, embedded: list[str]) -> None:
    index.update([photos])
    os.utime(some(photos), (1, 1))
    for _ in range(2):
        assert counts(index.update([photos])) == (0, 0, 0, 25)
    assert len(embedded) == 25


def test_vanished_files_leave_with_update_and_stay_with_add(index: Index, photos: Path) -> None:
    index.update([photos])
    some(photos).unlink()
    shutil.rmtree(photos / "002")
    assert counts(index.add([photos])) == (0, 0, 0, 19)
    assert len(index) == 25
    assert counts(index.update([photos])) == (0, 0, 6, 19)
    assert len(index) == 19


def test_only_the_given_folder_is_looked_at(index: Index, photos: Path) -> None:
    index.update([photos])
    some(photos).unlink()  # in 000
    assert counts(index.update([photos / "001"])) == (0, 0, 0, 10)
    assert len(index) == 25
    assert index.info().roots == (photos,)


def test_a_moved_file_keeps_its_item(index: Index, photos: Path, embedded: list[str]) -> None:
    index.update([photos])
    before = {item.sha256: item for item in index.items(index.ids())}
    (photos / "000").rename(photos / "summer")
    report = index.update([photos])
    assert (report.moved, *counts(report)) == (10, 0, 0, 0, 15)
    assert len(embedded) == 25
    for item in index.items(index.ids()):
        assert (item.id, item.added_at) == (before[item.sha256].id, before[item.sha256].added_at)
        assert item.path.is_file()
    assert counts(index.update([photos])) == (0, 0, 0, 25)
    assert len(index.ids(label="summer")) == 10
    assert "000" not in index.labels()


def test_of_several_copies_of_a_vanished_file_one_is_the_moved_one(
    index: Index, photos: Path, embedded: list[str]
) -> None:
    index.update([photos])
    gone = some(photos)
    for name in ("a.png", "b.png"):
        shutil.copyfile(gone, photos / name)
    gone.unlink()
    report = index.update([photos])
    assert (report.moved, *counts(report)) == (1, 1, 0, 0, 24)
    assert len(embedded) == 25


def test_files_that_change_places_are_followed(
    index: Index, photos: Path, embedded: list[str]
) -> None:
    """Each path is known, each content too: nothing is new, and the vectors go along."""
    index.update([photos])
    one, other = some(photos, 0), some(photos, 1)
    one.rename(photos / "third.png")
    other.rename(one)
    (photos / "third.png").rename(other)
    index.update([photos])
    for path in (one, other):
        assert index.search(path, 1, include_self=True).paths == [path]


def test_without_dropping_a_renamed_file_is_a_copy(index: Index, photos: Path) -> None:
    index.update([photos])
    some(photos).rename(photos / "renamed.png")
    report = index.add([photos])
    assert (report.moved, *counts(report)) == (0, 1, 0, 0, 24)
    assert len(index) == 26


def test_a_copy_is_an_item_of_its_own_and_not_embedded_again(
    index: Index, photos: Path, embedded: list[str]
) -> None:
    index.update([photos])
    shutil.copyfile(some(photos), photos / "copy.png")
    assert counts(index.update([photos])) == (1, 0, 0, 25)
    assert len(embedded) == 25
    found = index.search(some(photos), 1)
    assert found.paths == [photos / "copy.png"]
    assert found.scores[0] == pytest.approx(1, abs=1e-6)


def test_ids_are_never_used_twice(index: Index, photos: Path) -> None:
    index.update([photos])
    assert index.remove([photos]) == 25
    index.update([photos])
    assert min(index.ids()) == 26


class TestBroken:
    def test_it_is_listed_and_tried_again_when_it_has_changed(
        self, index: Index, photos: Path, embedded: list[str]
    ) -> None:
        path = photos / "broken.png"
        path.write_bytes(some(photos).read_bytes()[:60])
        for run in range(2):
            report = index.update([photos])
            assert [entry.path for entry in report.skipped] == [path]
            assert report.skipped == tuple(index.skipped())
            assert embedded.count(str(path)) == 1, f"tried again in run {run}"
        assert index.info().skipped == 1
        paint(path, 3)
        assert counts(index.update([photos])) == (1, 0, 0, 25)
        assert index.skipped() == []

    def test_a_picture_that_breaks_leaves(self, index: Index, photos: Path) -> None:
        index.update([photos])
        some(photos).write_bytes(b"no picture any more")
        report = index.update([photos])
        assert counts(report) == (0, 0, 1, 24)
        assert some(photos) not in index
        assert len(report.skipped) == 1

    def test_one_that_is_gone_is_forgotten(self, index: Index, photos: Path) -> None:
        path = photos / "broken.png"
        path.write_bytes(b"x")
        index.update([photos])
        path.unlink()
        assert index.update([photos]).skipped == ()
        assert index.skipped() == []

    def test_one_can_be_removed(self, index: Index, photos: Path) -> None:
        (photos / "broken.png").write_bytes(b"x")
        index.update([photos])
        assert index.remove([photos / "broken.png"]) == 0
        assert index.skipped() == []


class TestOutOfReach:
    """A disk that fails for now takes nothing out of the collection. (Root may read anything, so
    the system's refusal is staged.)"""

    @pytest.fixture
    def locked(self, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        folder = photos / "000"
        real_stat, real_scandir = os.stat, os.scandir

        def refused(path: object) -> bool:
            return isinstance(path, (str, Path)) and str(path).startswith(str(folder))

        def stat(path, *args, **kwargs):
            if refused(path) and Path(path) != folder:
                raise PermissionError(13, "Permission denied", str(path))
            return real_stat(path, *args, **kwargs)

        def scandir(path="."):
            if refused(path):
                raise PermissionError(13, "Permission denied", str(path))
            return real_scandir(path)

        with monkeypatch.context() as context:
            self.lock = lambda: (
                context.setattr(os, "stat", stat),
                context.setattr(os, "scandir", scandir),
            )
            self.unlock = context.undo
            yield folder

    def test_its_items_stay(self, index: Index, photos: Path, locked: Path) -> None:
        index.update([photos])
        self.lock()
        folder = (locked, "the folder cannot be listed: permission denied")
        for _ in range(2):
            report = index.update([photos])
            assert counts(report) == (0, 0, 0, 15)
            skipped = [(entry.path, entry.reason) for entry in report.skipped]
            assert skipped[0] == folder
            assert {reason for _, reason in skipped[1:]} == {"permission denied"}
            assert len(skipped) == 11
            assert report.untold
        self.unlock()
        assert counts(index.update([photos])) == (0, 0, 0, 25)
        assert index.skipped() == []

    def test_a_new_file_is_tried_again_at_every_run(
        self, index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = some(photos)
        real = Path.open

        def refused(self, *args, **kwargs):
            if self == path:
                raise PermissionError(13, "Permission denied")
            return real(self, *args, **kwargs)

        with monkeypatch.context() as context:
            context.setattr(Path, "open", refused)
            report = index.update([photos])
            assert counts(report) == (24, 0, 0, 0)
            assert [entry.path for entry in report.skipped] == [path]
        # The permission has changed, which the file's time does not tell.
        assert counts(index.update([photos])) == (1, 0, 0, 24)
        assert index.skipped() == []


def test_kinds_that_are_not_read_are_counted(index: Index, photos: Path) -> None:
    assert index.update([photos]).passed_over == ()
    for name in ("a.jxl", "b.JXL", "c.dng"):
        (photos / "001" / name).touch()
    report = index.update([photos])
    assert report.passed_over == (("JPEG XL", 2), ("camera raw", 1))
    assert (counts(report), report.skipped) == ((0, 0, 0, 25), ())
    assert index.update([photos], changed=frozenset()).passed_over == ()


class TestUnmounted:
    def test_a_folder_without_any_of_its_pictures_is_refused(
        self, index: Index, photos: Path, tmp_path: Path
    ) -> None:
        other = write_noise(tmp_path / "other", 3, first=50)
        index.update([photos, other])
        shutil.move(photos, tmp_path / "elsewhere")
        photos.mkdir()
        for paths in ([photos], [photos, other]):
            with pytest.raises(UsageError, match="but 25 in the collection: is its disk") as caught:
                index.update(paths)
            assert f"clr-search remove {index.path} {photos}" in caught.value.remedy
        assert len(index) == 28
        photos.rmdir()
        with pytest.raises(UsageError, match="There is no file or folder"):
            index.update([photos])
        assert index.remove([photos]) == 25
        assert index.info().roots == (other,)

    def test_a_disk_that_goes_away_while_it_is_looked_at(
        self, index: Index, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some of its pictures have been seen already, so it is not without any."""
        index.update([photos])

        def interrupted(
            paths: list[Path], left_out: LeftOut, selection: Selection
        ) -> list[ImageFile]:
            found = find_images(paths, left_out, selection)
            photos.rename(tmp_path / "elsewhere")
            photos.mkdir()
            return found[:7]

        with monkeypatch.context() as context:
            context.setattr(survey, "find_images", interrupted)
            with pytest.raises(UsageError, match="went away while it was looked at"):
                index.update([photos])
        assert len(index) == 25

    def test_a_rebuild_refuses_it_too(
        self, index: Index, photos: Path, tmp_path: Path, tiny_encoder: Path
    ) -> None:
        index.update([photos])
        before = rows_of(index.path)
        shutil.move(photos, tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(UsageError, match="None of the 25 pictures"):
                index.rebuild(tiny_encoder)
            photos.mkdir(exist_ok=True)
        assert rows_of(index.path) == before


class TestRoots:
    def test_a_second_root(self, index: Index, photos: Path, tmp_path: Path) -> None:
        index.update([photos])
        other = write_noise(tmp_path / "other", 5, first=90)
        assert counts(index.update([other])) == (5, 0, 0, 0)
        assert index.info().roots == (photos, other)
        assert len(index.ids(under=str(other))) == 5
        assert len(index.ids(under="009")) == 5

    def test_relative_and_absolute_are_the_same(
        self, index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(photos.parent)
        index.update(["photos"])
        assert counts(index.update([photos])) == (0, 0, 0, 25)
        assert counts(index.update([photos / "000" / ".." / "001"])) == (0, 0, 0, 10)
        monkeypatch.chdir(photos)
        assert counts(index.update(["."])) == (0, 0, 0, 25)
        assert some(photos).relative_to(photos) in index
        assert index.remove(["001"]) == 10
        assert index.info().roots == (photos,)

    def test_a_linked_root_is_the_folder_it_leads_to(
        self, index: Index, photos: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "link").symlink_to(photos)
        index.update([tmp_path / "link"])
        assert index.info().roots == (photos,)
        assert counts(index.update([photos])) == (0, 0, 0, 25)
        assert tmp_path / "link" / some(photos).relative_to(photos) in index

    def test_another_spelling_of_a_root_is_that_root(
        self, index: Index, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where case does not count, or a folder is mounted twice."""
        other = tmp_path / "Photos"
        shutil.copytree(photos, other, copy_function=os.link)
        stat = os.stat

        def one_folder(path: object, *arguments: object, **options: object) -> os.stat_result:
            text = str(path).replace(str(other), str(photos))
            return stat(text, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "stat", one_folder)
        index.update([photos])
        single = some(other)
        for paths in ([other], [other / "001"], [single], [other, photos], [photos, other]):
            report = index.update(paths)
            assert (report.added, report.moved, report.removed) == (0, 0, 0), paths
            assert index.info().roots == (photos,)
        paint(photos / "new.png", 3)
        report = index.update([other], changed=[other / "new.png"])
        assert report.added == 1
        assert photos / "new.png" in index

    def test_two_spellings_of_a_new_root_are_one(
        self, index: Index, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "Photos"
        shutil.copytree(photos, other, copy_function=os.link)
        same = {str(photos): (1, 1), str(other): (1, 1)}
        monkeypatch.setattr(
            catalog_paths, "folder_identity", lambda path: same.get(path, (2, hash(path)))
        )
        assert index.update([other, photos]).added == 25
        assert index.info().roots == (other,)

    def test_a_folder_around_a_root_takes_its_items_over(
        self, index: Index, photos: Path, embedded: list[str]
    ) -> None:
        index.update([photos / "000"])
        index.update([some(photos, -1)])  # a single file, from 002
        assert index.item(1).label is None
        ids = index.ids()
        assert counts(index.update([photos])) == (14, 0, 0, 11)
        assert index.info().roots == (photos,)
        assert len(embedded) == 25
        assert index.item(1).relative == "000/00000.png"
        assert index.item(1).label == "000"
        assert set(ids) <= set(index.ids())

    def test_a_folder_below_a_root_is_no_root(self, index: Index, photos: Path) -> None:
        index.update([photos])
        assert counts(index.update([photos / "001", some(photos)])) == (0, 0, 0, 11)
        assert index.info().roots == (photos,)

    def test_a_single_file_of_any_name(self, index: Index, photos: Path, tmp_path: Path) -> None:
        odd = tmp_path / "scan.dat"
        shutil.copyfile(some(photos), odd)
        index.add([odd])
        assert odd in index
        shutil.copyfile(some(photos, 1), tmp_path / "b.png")
        index.update([tmp_path])  # does not list scan.dat, which is there all the same
        assert odd in index
        odd.unlink()
        index.update([tmp_path])
        assert odd not in index

    def test_roots_of_single_files_go_with_their_items(self, index: Index, photos: Path) -> None:
        index.add([some(photos)])
        index.remove([some(photos)])
        assert index.info().roots == ()


@pytest.mark.parametrize(
    "name",
    [
        "ä ö.png", "🌹.png", "a\nb.png", "it's \"it\".png", "%_*?[x].png", "-rf.png",
        "#q?x=1.png", "caf\udce9.png", "\udcff\udcfe.png",
    ],
)  # fmt: skip
def test_any_file_name_will_do(index: Index, photos: Path, name: str) -> None:
    try:
        paint(photos / "odd \udce9\n" / name, 4)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    index.update([photos])
    path = photos / "odd \udce9\n" / name
    assert path in index
    assert index.search(path, 1, include_self=True).paths == [path]
    assert len(index.ids(label="odd \udce9\n")) == 1
    assert len(index.ids(under="odd \udce9\n")) == 1
    assert counts(index.update([photos])) == (0, 0, 0, 26)
    assert index.remove([path]) == 1


def test_removing_what_is_not_there_removes_nothing(index: Index, photos: Path) -> None:
    index.update([photos])
    with pytest.raises(UsageError, match="nowhere is not in"):
        index.remove([photos / "000", "nowhere"])
    assert len(index) == 25
    assert index.remove([photos / "000", some(photos)]) == 10


def test_removing_many_paths_takes_no_look_at_every_item_for_each(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the strings that are compared, not by the clock."""

    class Counting(str):
        looks = 0

        def startswith(self, *args: object) -> bool:
            Counting.looks += 1
            return str.startswith(self, *args)

    index.update([photos])
    known = Catalog.known
    monkeypatch.setattr(
        Catalog,
        "known",
        lambda self: {Counting(path): item for path, item in known(self).items()},
    )
    paths = sorted(photos.rglob("*.png"))
    assert index.remove([*paths[:20], photos / "002", paths[-1]]) == 25
    assert Counting.looks <= 25


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b/c.png", {"/a", "/a/b/c.png"}),
        ("/a", {"/a"}),
        ("/ab/c.png", set()),
        ("/", set()),
        ("/d/e/f/g.png", {"/d/e", "/d/e/f"}),
    ],
)
def test_places_around_a_path(path: str, expected: set[str]) -> None:
    places = PathSet(["/a", "/a/b/c.png", "/d/e", "/d/e/f"])
    assert places.containing(path) == expected
    assert PathSet(["/"]).containing(path) == {"/"}


def test_a_removed_file_comes_back_with_an_update(index: Index, photos: Path) -> None:
    index.update([photos])
    index.remove([photos / "001"])
    assert counts(index.update([photos])) == (10, 0, 0, 15)


def test_no_images_and_no_path(index: Index, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No images found"):
        index.update([tmp_path / "empty"])
    with pytest.raises(UsageError, match="There is no file or folder"):
        index.update([tmp_path / "missing"])
    with pytest.raises(UsageError, match="batch size is 0"):
        index.update([tmp_path], batch_size=0)


def test_a_vector_that_is_not_finite_does_not_come_in(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(index.encoder),
        "encode_squares",
        lambda _, pixels: np.full((len(pixels), 16), np.nan, np.float32),
    )
    report = index.update([photos])
    assert counts(report) == (0, 0, 0, 0)
    assert {entry.reason for entry in report.skipped} == {
        "the encoder gives no finite vector for it"
    }


def test_what_is_interrupted_is_kept_and_said(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(encoder, paths, **options):
        for number, batch in enumerate(embed_files(encoder, paths, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    heard = Heard()
    with monkeypatch.context() as context:
        context.setattr(pipeline, "embed_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.update([photos], batch_size=5, reporter=heard)
    assert heard.messages == [
        "Stopped: 10 of 25 images are done and kept; the same command goes on from there."
    ]
    assert len(index) == 10
    assert counts(index.update([photos])) == (15, 0, 0, 10)


def test_every_bar_is_closed_when_comparing_is_interrupted(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bars(Heard):
        open = 0

        def begin(self, what: str, total: int | None, unit: str) -> None:
            self.open += 1

        def end(self) -> None:
            self.open -= 1

    def interrupted(path: Path) -> str:
        raise KeyboardInterrupt

    index.update([photos])
    os.utime(some(photos), (1, 1))
    monkeypatch.setattr(survey, "sha256_file", interrupted)
    bars = Bars()
    with pytest.raises(KeyboardInterrupt):
        index.update([photos], reporter=bars)
    assert bars.open == 0
