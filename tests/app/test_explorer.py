from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from clr_search import images
from clr_search.app.explorer import Explorer, describe, folder_of
from clr_search.app.search_tab import Controls
from clr_search.errors import ClrSearchError, ImageError
from clr_search.images import decode
from clr_search.index import Filter, Index
from clr_search.index.catalog.filters import ALL
from tests.images.isolation.hostile import do, obedient


@pytest.fixture
def own(pictures: Path, tmp_path: Path) -> Path:
    """Pictures of one's own, to change: red/ and trip/day 1/blue/."""
    shutil.copytree(pictures / "red", tmp_path / "own" / "red")
    shutil.copytree(pictures / "blue", tmp_path / "own" / "trip" / "day 1" / "blue")
    return tmp_path / "own"


@pytest.fixture
def writer(own: Path, tiny_encoder: Path, tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "own.clr", tiny_encoder) as index:
        index.update([own])
        yield index


@pytest.fixture
def explorer(writer: Index) -> Iterator[Explorer]:
    with Index.open(writer.path) as index:
        explorer = Explorer(index, seed=1)
        yield explorer
        explorer.close()


def test_an_upload_is_searched_by_its_content(explorer: Explorer, own: Path) -> None:
    path = own / "red" / "red00.jpg"
    query = explorer.upload(path.read_bytes(), "mine")
    answer = explorer.search(Controls(5).query(query))
    assert answer.total == len(explorer) == 24
    assert answer.hits[0].name == "red00.jpg"
    assert answer.hits[0].score == pytest.approx(1, abs=1e-3)
    assert [hit.score for hit in answer.hits] == sorted(
        (hit.score for hit in answer.hits if hit.score is not None), reverse=True
    )
    assert all(hit.picture.startswith("data:image/jpeg;base64,") for hit in answer.hits)


def test_a_picture_of_the_collection_is_not_its_own_neighbour(explorer: Explorer) -> None:
    item = explorer.random_item(Controls().filter)
    query = explorer.choose(item)
    hits = explorer.search(Controls(48).query(query)).hits
    assert len(hits) == 23
    assert item not in {hit.id for hit in hits}


def test_filters(explorer: Explorer) -> None:
    assert explorer.labels() == ["blue", "red"]
    assert explorer.folders() == ["red", "trip", "trip/day 1", "trip/day 1/blue"]
    query = explorer.choose(explorer.random_item(Controls(label="red").filter))
    for filters in (Controls(48, label="blue"), Controls(48, folder="trip")):
        assert {hit.label for hit in explorer.search(filters.query(query)).hits} == {"blue"}
        assert {hit.label for hit in explorer.opening(filters.filter, filters.count)} == {"blue"}
    with pytest.raises(ClrSearchError, match="green"):
        explorer.search(Controls(label="green").query(query))


def test_folders_that_are_the_labels_are_not_offered(collection: Path) -> None:
    with Index.open(collection) as index:
        assert Explorer(index).folders() == []


def test_several_roots_are_offered_by_their_full_paths(
    explorer: Explorer, writer: Index, pictures: Path
) -> None:
    writer.update([pictures])
    folders = explorer.folders()
    assert folders is not None
    assert str(pictures.resolve()) in folders
    hits = explorer.opening(Filter(under=str(pictures.resolve())), 48)
    assert len(hits) == 36


def test_the_opening_differs_from_visit_to_visit(explorer: Explorer) -> None:
    first, second = (explorer.opening(ALL, 12) for _ in range(2))
    assert len({hit.id for hit in first}) == 12
    assert [hit.id for hit in first] != [hit.id for hit in second]
    assert all(hit.score is None for hit in first)


def test_changes_of_the_collection_are_seen(explorer: Explorer, writer: Index, own: Path) -> None:
    query = explorer.choose(explorer.random_item(Controls(label="red").filter))
    Image.new("RGB", (50, 50), "gold").save(own / "new.png")
    shutil.rmtree(own / "trip")
    writer.update([own])
    answer = explorer.search(Controls(48).query(query))
    assert answer.total == 13
    assert "new.png" in {hit.name for hit in answer.hits}
    assert explorer.labels() == ["red"]
    gone = query.item
    assert gone is not None
    shutil.rmtree(own / "red")
    writer.update([own])
    with pytest.raises(ClrSearchError, match="no longer in the collection"):
        explorer.search(Controls().query(query))


def test_a_file_that_is_gone_is_shown_as_such(explorer: Explorer, own: Path) -> None:
    (own / "red" / "red00.jpg").unlink()
    (own / "red" / "red01.png").write_bytes(b"no picture")
    hits = {hit.name: hit for hit in explorer.opening(ALL, 48)}
    assert (hits["red00.jpg"].picture, hits["red00.jpg"].missing) == ("", True)
    assert (hits["red01.png"].picture, hits["red01.png"].missing) == ("", False)
    assert hits["red02.jpg"].picture
    assert not hits["red02.jpg"].missing
    with pytest.raises(ClrSearchError, match=r"red00\.jpg cannot be shown"):
        explorer.choose(hits["red00.jpg"].id)


def test_an_upload_that_kills_its_worker(
    writer: Index, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obedient(monkeypatch)
    explorer = Explorer(writer)
    with pytest.raises(ImageError, match=r"died \(SIGSEGV\)"):
        explorer.upload(do("crash"), "hostile.jpg")
    path = own / "red" / "red00.jpg"
    assert explorer.upload(path.read_bytes(), "mine").square is not None
    explorer.close()


def test_what_the_page_shows_is_decoded_by_workers(
    writer: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*_: object, **__: object) -> None:
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(images.decoding, "decode_on", here)
    explorer = Explorer(writer)
    assert explorer.choose(explorer.random_item(Controls().filter)).preview
    assert all(hit.picture for hit in explorer.opening(Controls().filter, 4))
    explorer.close()


def test_an_upload_that_is_no_picture(explorer: Explorer) -> None:
    with pytest.raises(ImageError):
        explorer.upload(b"GIF89a", "broken.gif")


def test_about(explorer: Explorer, writer: Index, own: Path) -> None:
    (own / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    writer.update([own])
    info, card, skipped = explorer.about()
    assert (info.count, info.skipped, card.name) == (24, 1, "tiny")
    [(path, reason)] = skipped
    assert path.name == "broken.jpg"
    assert reason


def test_descriptions(pictures: Path) -> None:
    picture = decode((pictures / "red" / "red00.jpg").read_bytes())
    size = f"{picture.width} × {picture.height} pixels"
    assert describe(folder_of("a/b/c.jpg"), picture) == f"in a/b · {size}"
    assert describe(folder_of("c.jpg"), picture) == size


def test_the_example_of_a_condition_names_columns_of_ones_own(
    explorer: Explorer, writer: Index
) -> None:
    assert explorer.example_condition() == "width > 2000 AND taken >= '2024'"
    writer.give_columns({"rating": {1: 5}, "day": {}})
    assert explorer.example_condition().endswith("; also: rating, day")
