"""What can be asked with, against closed forms."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.errors import ClrSearchError, UsageError
from clr_search.images import cut
from clr_search.index import Index, encoder_file
from tests.index.made import Vectors, brute, write_noise


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("q") / "photos", 30, seed=8)


@pytest.fixture(scope="module")
def made(photos: Path, tiny_encoder: Path) -> Path:
    path = photos.parent / "x.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([photos])
    return path


@pytest.fixture
def index(made: Path) -> Iterator[Index]:
    with Index.open(made) as opened:
        yield opened


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the encoder is not needed")

    monkeypatch.setattr(encoder_file, "load", load)


def path_of(index: Index, number: int) -> Path:
    return index.item(number).path


def expected(index: Index, query: Vectors, k: int, own: set[int]) -> list[int]:
    ids, rows = index.vectors()
    allowed = [i for i, number in enumerate(ids.tolist()) if number not in own]
    return [int(ids[i]) for i in brute(rows, query, k, allowed)]


def vector(index: Index, *numbers: int) -> Vectors:
    ids, rows = index.vectors()
    return rows[np.searchsorted(ids, numbers)].astype(np.float64)


@pytest.mark.usefixtures("without_encoder")
def test_an_item_is_left_out_of_its_own_results_unless_asked_for(index: Index) -> None:
    query = vector(index, 4)[0]
    found = index.search(path_of(index, 4), 5)
    assert found.ids.tolist() == expected(index, query, 5, {4})
    found = index.search(str(path_of(index, 4)), 5, include_self=True)
    assert found.ids.tolist() == expected(index, query, 5, set())
    assert found[0].id == 4
    assert found[0].score == pytest.approx(1, abs=1e-6)
    assert found[0].label == path_of(index, 4).parent.name


@pytest.mark.usefixtures("without_encoder")
def test_k_beyond_the_collection(index: Index) -> None:
    assert len(index.search(path_of(index, 1), 1000)) == 29
    assert len(index.search(path_of(index, 1), 1000, include_self=True)) == 30


@pytest.mark.usefixtures("without_encoder")
def test_a_link_to_an_item_and_a_relative_path_are_the_item(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(index, 4)
    (tmp_path / "link.png").symlink_to(path)
    monkeypatch.chdir(path.parent)
    for query in (tmp_path / "link.png", path.name, Path("..") / path.parent.name / path.name):
        assert index.search(query) == index.search(path)


@pytest.mark.usefixtures("without_encoder")
def test_a_copy_elsewhere_is_known_by_its_content(index: Index, tmp_path: Path) -> None:
    shutil.copyfile(path_of(index, 4), tmp_path / "other name")
    found = index.search(tmp_path / "other name")
    assert found[0].id == 4
    assert found.same == (path_of(index, 4),)
    others = [replace(match, rank=match.rank + 1) for match in index.search(path_of(index, 4), 9)]
    assert list(found[1:]) == others
    assert index.search(path_of(index, 4)).same == ()


def test_a_changed_file_at_the_path_of_an_item_is_embedded(
    photos: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.update([tmp_path / "photos"])
        path = path_of(index, 4)
        Image.new("RGB", (50, 40), (10, 200, 90)).save(path)
        query = index.encoder.encode(path)[0]
        found = index.search(path, 5)
        assert found.ids.tolist() == expected(index, query, 5, {4})
        assert 4 in index.search(path, 30, include_self=True).ids
        # Touched only: the stored vector will do.
        os.utime(path_of(index, 5), (1, 1))
        stored = vector(index, 5)[0]
        assert index.search(path_of(index, 5), 5).ids.tolist() == expected(index, stored, 5, {5})
        path_of(index, 6).unlink()
        with pytest.raises(UsageError, match="There is no file"):
            index.search(path_of(index, 6))


def test_the_path_of_a_query_is_left_out_and_its_content_is_not(
    photos: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    one = min((tmp_path / "photos").rglob("*.png"))
    shutil.copyfile(one, one.with_name("twin.png"))
    shutil.copyfile(one, tmp_path / "outside.png")
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.update([tmp_path / "photos"])
        twin = one.with_name("twin.png")
        found = index.search(one, 1)
        assert found.paths == [twin]
        assert found.same == (twin,)
        for query in (tmp_path / "outside.png", one.read_bytes()):
            found = index.search(query, 2)
            assert set(found.paths) == set(found.same) == {one, twin}
        assert index.search(one, 1, where={"min_side": 1}).same == (twin,)


def test_a_picture_in_memory(index: Index) -> None:
    path = path_of(index, 7)
    with Image.open(path) as image:
        found = index.search(image, 5)
        pixels = np.asarray(image.convert("RGB"))
    assert found.ids[0] == 7  # a picture in memory has no path, so nothing is left out
    assert found.scores[0] == pytest.approx(1, abs=1e-3)
    assert index.search(pixels, 5) == found
    assert found.ids.tolist() == expected(index, index.encoder.encode(pixels)[0], 5, set())


@pytest.mark.usefixtures("without_encoder")
def test_like_and_unlike_are_the_closed_form(index: Index) -> None:
    paths = {number: path_of(index, number) for number in (1, 2, 3, 4, 5)}
    query = vector(index, 1)[0]
    plus = vector(index, 2, 3).mean(axis=0)
    minus = vector(index, 4, 5).mean(axis=0)
    for like, unlike, wanted in [
        ((2, 3), (), query + plus),
        ((), (4, 5), query - minus),
        ((2, 3), (4, 5), query + plus - minus),
    ]:
        asked = {"like": [paths[n] for n in like], "unlike": [paths[n] for n in unlike]}
        found = index.search(paths[1], 8, **asked)
        assert found.ids.tolist() == expected(index, wanted, 8, {1, *like})
        unit = wanted / np.linalg.norm(wanted)
        np.testing.assert_allclose(found.scores, vector(index, *found.ids) @ unit, atol=1e-6)
        found = index.search(paths[1], 8, include_self=True, **asked)
        assert found.ids.tolist() == expected(index, wanted, 8, set())


@pytest.mark.usefixtures("without_encoder")
def test_a_query_minus_itself_has_no_direction(index: Index) -> None:
    with pytest.raises(UsageError, match="no direction"):
        index.search(path_of(index, 1), unlike=[path_of(index, 1)])


@pytest.mark.usefixtures("without_encoder")
def test_filters_apply_to_a_picture_too(index: Index) -> None:
    found = index.search(path_of(index, 1), 30, label="001")
    assert set(found.labels) == {"001"}
    assert len(found) == 10
    assert index.search(path_of(index, 1), 30, under="001") == found


@pytest.mark.parametrize(
    ("content", "words", "kind"),
    [
        (None, "There is no file .*q.png", UsageError),
        (b"no picture", "q.png cannot be searched for: ", ClrSearchError),
    ],
)
def test_what_cannot_be_searched_for(
    index: Index, tmp_path: Path, content: bytes | None, words: str, kind: type[Exception]
) -> None:
    path = tmp_path / "q.png"
    if content is not None:
        path.write_bytes(content)
    for asked in ({"query": path}, {"query": path_of(index, 1), "like": [path]}):
        with pytest.raises(kind, match=words):
            index.search(**asked)
    with pytest.raises(ClrSearchError, match="it is a folder"):
        index.search(tmp_path)


def test_a_file_is_embedded_as_if_it_were_indexed(index: Index, tmp_path: Path) -> None:
    """The same pixels in another file: the pipeline and the query decode alike."""
    with Image.open(path_of(index, 9)) as image:
        image.save(tmp_path / "again.png", compress_level=9)
    found = index.search(tmp_path / "again.png", 1)
    assert found.ids.tolist() == [9]
    assert found.scores[0] == pytest.approx(1, abs=1e-5)


def test_a_part_of_a_picture(index: Index, photos: Path, tmp_path: Path) -> None:
    """Searching by a part is searching by a file with that part in it, but knows its whole."""
    mosaic = np.zeros((48, 96, 3), np.uint8)
    parts = sorted(photos.rglob("*.png"))[:2]
    for at, path in enumerate(parts):
        with Image.open(path) as picture:
            mosaic[:48, 48 * at : 48 * at + 48] = picture.convert("RGB").resize((48, 48))
    Image.fromarray(mosaic).save(tmp_path / "mosaic.png")
    Image.fromarray(mosaic[:, 48:]).save(tmp_path / "right.png")
    whole = index.search(tmp_path / "right.png", 5)
    crop = (0.5, 0.0, 0.5, 1.0)
    assert index.search(tmp_path / "mosaic.png", 5, crop=crop) == whole
    assert index.search(mosaic, 5, crop=crop) == whole
    assert index.search(Image.fromarray(mosaic), 5, crop=crop) == whole
    own = index.search(parts[0], 30, crop=(0, 0, 1, 1))
    assert parts[0] not in own.paths
    assert len(own) == 29
    copied = shutil.copy(parts[0], tmp_path / "elsewhere.png")
    assert parts[0] in index.search(copied, 30, crop=(0.1, 0.1, 0.5, 0.5)).paths


def test_a_link_to_itself_is_no_file_to_search_for_nor_folder_to_search_in(
    index: Index, tmp_path: Path
) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    for path in (loop, loop / "a.png"):
        assert path not in index
        for crop in (None, (0, 0, 1, 1)):
            with pytest.raises(UsageError, match="There is no file"):
                index.search(path, crop=crop)
    with pytest.raises(UsageError, match="lie under"):
        index.search(path_of(index, 1), under=str(loop))
    with pytest.raises(UsageError, match="lie under"):
        index.search(path_of(index, 1), under=os.path.relpath(loop))


@pytest.mark.parametrize("mode", ["turned", "RGBA", "I;16"])
def test_a_part_of_an_image_in_memory_is_that_of_its_file(
    index: Index, tmp_path: Path, mode: str
) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 60, 4), np.uint8)
    noise[:, 30:, 3] = 0  # transparent, and so white
    image = Image.fromarray(noise)
    if mode == "turned":
        image = image.convert("RGB")
        image.getexif()[274] = 6
    elif mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 200)
    image.save(tmp_path / "q.png", exif=image.getexif())
    crop = (0.1, 0.2, 0.7, 0.3)
    whole, part = index.search(tmp_path / "q.png", 5), index.search(image, 5, crop=crop)
    assert part == index.search(tmp_path / "q.png", 5, crop=crop)
    assert part != whole
    data = (tmp_path / "q.png").read_bytes()
    with pytest.raises(ClrSearchError, match="The picture cannot be searched for: truncated PNG"):
        index.search(Image.open(BytesIO(data[: len(data) // 2])), crop=crop)


@pytest.mark.parametrize(
    ("crop", "shape"),
    [((0, 0, 1, 1), (10, 20)), ((0.5, 0, 0.5, 0.3), (3, 10)), ((0.99, 0.99, 0.01, 0.01), (1, 1))],
)
def test_parts_are_cut_to_pixels(
    crop: tuple[float, float, float, float], shape: tuple[int, int]
) -> None:
    assert cut(np.zeros((10, 20, 3), np.uint8), crop).shape == (*shape, 3)


@pytest.mark.parametrize(
    "crop",
    [(0, 0, 0, 1), (0.5, 0, 0.6, 1), (-0.1, 0, 0.5, 1), (0, 0.5, 1, 0.6), (0, 0, float("nan"), 1)],
)
def test_what_is_no_part_is_refused(
    index: Index, photos: Path, crop: tuple[float, float, float, float]
) -> None:
    with pytest.raises(UsageError, match="no part of a picture"):
        index.search(next(photos.rglob("*.png")), crop=crop)
    with pytest.raises(UsageError, match="There is no file"):
        index.search(photos / "nope.png", crop=(0, 0, 1, 1))
