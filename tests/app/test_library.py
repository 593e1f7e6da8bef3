"""The collection as the page sees it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clr_search import images
from clr_search.app.functions.about import About
from clr_search.app.functions.search import Searching
from clr_search.app.library import listings
from clr_search.app.library import uploads as keeping
from clr_search.app.library.asked import Asked, Search
from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.tiles import Tiles
from clr_search.app.library.uploads import FullError, GoneError, Uploads
from clr_search.errors import ClrSearchError, ImageError
from clr_search.index import Index
from clr_search.web.tile_store import TileStore
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
def library(writer: Index, tmp_path: Path) -> Iterator[Library]:
    (tmp_path / "uploads").mkdir()
    with Index.open(writer.path) as index:
        library = Library(index, Uploads(tmp_path / "uploads"))
        yield library
        library.close()


@pytest.fixture
def tab(library: Library) -> Searching:
    return Searching(library, Permissions())


def find(tab: Searching, offset: int = 0, count: int = 48, **search: Any) -> dict[str, Any]:
    return tab.find(Asked({"search": search, "offset": offset, "count": count}))


def test_without_a_query_all_pictures_come_in_parts(tab: Searching) -> None:
    whole = find(tab)
    assert whole["total"] == whole["all"] == len(whole["rows"]) == 24
    parts = [find(tab, offset, 10)["rows"] for offset in (0, 10, 20, 30)]
    assert [row for part in parts for row in part] == whole["rows"]
    assert {"id", "name", "folder", "label", "w", "h", "v", "missing"} == set(whole["rows"][0])


def test_the_first_neighbours_are_found_alone_and_stay_the_first(
    library: Library, tab: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wider search finds a picture that the first one has missed, and misses another."""
    monkeypatch.setattr(listings, "FIRST_FOUND", 6)
    term = {"id": find(tab)["rows"][0]["id"]}
    whole = library.listing(Search.of(Asked({"terms": [term]})))
    assert len(whole.ids) == whole.total == 23
    library._listings = listings.Listings()
    widths = []

    def missing(vectors: Any, k: int, **options: Any) -> Any:
        widths.append(k)
        matches = search_vectors(vectors, k + 1, **options)
        found = matches.ids[0] != (whole.ids[2] if k == 6 else whole.ids[22])
        return SimpleNamespace(
            ids=matches.ids[:, found][:, :k], scores=matches.scores[:, found][:, :k]
        )

    search_vectors = library.index.search_vectors
    monkeypatch.setattr(library.index, "search_vectors", missing)
    first = find(tab, 0, 4, terms=[term])
    assert (first["total"], widths) == (23, [6])
    rest = find(tab, 4, 48, terms=[term])
    assert (rest["total"], widths) == (22, [6, 2000])
    found = [row["id"] for row in first["rows"] + rest["rows"]]
    assert found[:2] == whole.ids[:2].tolist()
    assert sorted(found) == sorted(whole.ids[:22].tolist())
    assert all("score" in row and "share" in row for row in rest["rows"])
    find(tab, 0, 4, terms=[term])
    assert len(widths) == 2
    for limited in ({"least": 1}, {"diverse": 0.5}, {"sort": "name"}, {"label": "red"}):
        find(tab, 0, 4, terms=[term], **limited)
    assert widths[2:] == [2000] * 4


def test_an_upload_is_searched_by_its_content(library: Library, tab: Searching, own: Path) -> None:
    upload = library.brought((own / "red" / "red00.jpg").read_bytes(), "mine.jpg")
    answer = find(tab, terms=[{"upload": upload.token}])
    rows = answer["rows"]
    assert rows[0]["name"] == "red00.jpg"
    assert rows[0]["score"] == pytest.approx(1, abs=1e-3)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert all(0 <= row["share"] <= 100 for row in rows)
    [term] = tab.terms(Asked({"terms": [{"upload": upload.token}]}))["terms"]
    assert (term["name"], term["w"]) == ("mine.jpg", upload.width)


def test_the_same_as_the_index_finds(library: Library, tab: Searching, writer: Index) -> None:
    number = writer.ids()[3]
    rows = find(tab, terms=[{"id": number}])["rows"]
    expected = writer.search(number, k=2000)
    assert [row["id"] for row in rows] == expected.ids.tolist()
    assert np.allclose([row["score"] for row in rows], expected.scores, atol=1e-4)
    assert number not in [row["id"] for row in rows]


def test_weights_pull_and_push(library: Library, tab: Searching) -> None:
    red = next(row["id"] for row in find(tab, label="red")["rows"])
    blue = next(row["id"] for row in find(tab, label="blue")["rows"])

    def share(*terms: dict[str, Any]) -> float:
        rows = find(tab, terms=list(terms))["rows"][:8]
        return sum(row["label"] == "red" for row in rows) / len(rows)

    red_alone = share({"id": red})
    assert share({"id": red, "weight": 1}, {"id": blue, "weight": 3}) < red_alone
    assert share({"id": red}, {"id": blue, "weight": -1}) >= red_alone
    with pytest.raises(ClrSearchError, match="Nothing is left"):
        find(tab, terms=[{"id": red}, {"id": red, "weight": -1}])


def test_a_part_of_a_picture(library: Library, tab: Searching, own: Path, writer: Index) -> None:
    two = Image.new("RGB", (200, 100), (200, 40, 40))
    two.paste((40, 40, 200), (100, 0, 200, 100))
    two.save(own / "two.png")
    writer.update([own])
    number = writer.id_at(own / "two.png")
    for part, label in (([0, 0, 0.5, 1], "red"), ([0.5, 0, 0.5, 1], "blue")):
        rows = find(tab, terms=[{"id": number, "crop": part}])["rows"]
        labels = [row["label"] for row in rows[:6] if row["id"] != number]
        assert labels.count(label) >= 4
    upload = library.brought((own / "two.png").read_bytes(), "two.png")
    by_upload = find(tab, terms=[{"upload": upload.token, "crop": [0, 0, 0.5, 1]}])["rows"]
    by_item = find(tab, terms=[{"id": number, "crop": [0, 0, 0.5, 1]}])["rows"]
    assert [row["id"] for row in by_upload] == [row["id"] for row in by_item]


def test_filters_and_orders(tab: Searching, own: Path, writer: Index) -> None:
    for number, path in enumerate(sorted(own.rglob("*.*"))):
        os.utime(path, (1_600_000_000 + 86_400 * number,) * 2)
    writer.update([own])
    assert {row["label"] for row in find(tab, label="blue")["rows"]} == {"blue"}
    assert {row["folder"] for row in find(tab, under="trip")["rows"]} == {"trip/day 1/blue"}
    names = [row["name"] for row in find(tab, sort="name")["rows"]]
    assert names == sorted(names)
    newest = [row["id"] for row in find(tab, sort="newest")["rows"]]
    oldest = [row["id"] for row in find(tab, sort="oldest")["rows"]]
    assert newest == oldest[::-1]
    first = find(tab, sort="oldest")["rows"][0]
    assert first["name"] == sorted(own.rglob("*.*"))[0].name
    assert find(tab, after="2020-09-20")["total"] < 24
    with pytest.raises(ClrSearchError):
        find(tab, label="no such label")
    with pytest.raises(ClrSearchError):
        find(tab, where="no such column = 3")


def test_a_cut_off_by_likeness(tab: Searching, writer: Index) -> None:
    number = writer.ids()[0]
    some = find(tab, terms=[{"id": number}], least=80)
    assert 0 < some["total"] < 23
    assert all(row["share"] >= 80 for row in some["rows"])


def test_what_there_is_to_filter_by(tab: Searching, writer: Index, own: Path) -> None:
    offers = tab.offers(Asked({}))
    assert offers["labels"] == ["blue", "red"]
    assert offers["folders"] == ["red", "trip", "trip/day 1", "trip/day 1/blue"]
    assert offers["may"]["originals"] is False
    shutil.rmtree(own / "trip")
    writer.update([own])
    assert tab.offers(Asked({}))["folders"] == []  # They are the labels.


def test_changes_of_the_collection_are_seen(tab: Searching, writer: Index, own: Path) -> None:
    number = writer.ids(label="blue")[0]
    assert find(tab, terms=[{"id": number}])["total"] == 23
    Image.new("RGB", (50, 50), "gold").save(own / "new.png")
    shutil.rmtree(own / "red")
    writer.update([own])
    assert find(tab, terms=[{"id": number}])["total"] == 12
    shutil.rmtree(own / "trip")
    writer.update([own])
    with pytest.raises(ClrSearchError, match="no longer in the collection"):
        find(tab, terms=[{"id": number}])


def test_a_picture_that_was_removed_meanwhile_keeps_its_place(
    library: Library, writer: Index, own: Path
) -> None:
    ids = writer.ids()[:3]
    item = writer.item(ids[1])
    item.path.unlink()
    writer.update([own])
    rows = library.rows(ids)
    assert [row["id"] for row in rows] == ids
    assert ["name" in row for row in rows] == [True, False, True]


def test_a_file_that_is_gone_is_shown_as_such(
    library: Library, tab: Searching, own: Path, tmp_path: Path
) -> None:
    tiles = Tiles(library, TileStore(tmp_path / "cache"))
    (own / "red" / "red00.jpg").unlink()
    (own / "red" / "red01.png").write_bytes(b"no picture")
    rows = {row["name"]: row for row in find(tab)["rows"]}
    assert rows["red00.jpg"]["missing"]
    assert not rows["red01.png"]["missing"]
    with pytest.raises(ClrSearchError, match=r"red00\.jpg cannot be shown: .* not exist"):
        tiles.thumbnail(rows["red00.jpg"]["id"])
    with pytest.raises(ClrSearchError, match=r"red01\.png cannot be shown"):
        tiles.thumbnail(rows["red01.png"]["id"])


def test_a_thumbnail_follows_its_file(
    library: Library, writer: Index, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TileStore(tmp_path / "cache")
    tiles = Tiles(library, store)
    number = writer.ids(label="red")[0]
    first = tiles.thumbnail(number)
    drawn = []
    monkeypatch.setattr(tiles, "_drawn", lambda path: drawn.append(path) or b"new")
    assert tiles.thumbnail(number) == first
    assert not drawn
    Image.new("RGB", (90, 40), "gold").save(writer.item(number).path)
    assert tiles.thumbnail(number) == b"new"


def test_a_thumbnail_is_drawn_once_for_all_who_ask(
    library: Library, writer: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = Tiles(library, TileStore(tmp_path / "cache"))
    started, drawn = threading.Barrier(4), []
    real = tiles._drawn

    def slow(path: Path) -> bytes:
        drawn.append(path)
        return real(path)

    monkeypatch.setattr(tiles, "_drawn", slow)

    def ask() -> None:
        started.wait()
        tiles.thumbnail(writer.ids()[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1


def test_what_the_page_shows_is_decoded_by_workers(
    library: Library, writer: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*_: object, **__: object) -> None:
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(images.decoding, "decode_on", here)
    tiles = Tiles(library, TileStore(None))
    number = writer.ids()[0]
    assert tiles.thumbnail(number).startswith(b"\xff\xd8")
    assert tiles.large(number).startswith(b"\xff\xd8")
    assert library.embed(writer.item(number).path, (0, 0, 0.5, 0.5)).shape == (16,)


def test_an_upload_that_kills_its_worker(
    writer: Index, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obedient(monkeypatch)
    library = Library(writer, Uploads(tmp_path))
    with pytest.raises(ImageError, match=r"died \(SIGSEGV\)"):
        library.brought(do("crash"), "hostile.jpg")
    assert library.brought((own / "red" / "red00.jpg").read_bytes(), "mine").width
    library.close()


def test_uploads_are_bounded_in_number_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(keeping, "MOST", 3)
    uploads = Uploads(tmp_path)
    first, *_ = (uploads.add(b"data", "a.jpg", 1, 1) for _ in range(3))
    with pytest.raises(FullError):
        uploads.add(b"data", "a.jpg", 1, 1)
    now[0] = 61
    uploads.add(b"data", "b.jpg", 1, 1)
    with pytest.raises(GoneError, match="no longer here"):
        uploads.get(first.token)
    assert len(list(tmp_path.iterdir())) == 3
    now[0] = 4 * 3600
    with pytest.raises(GoneError):
        uploads.get(first.token)
    assert not list(tmp_path.iterdir())


def test_reveal_is_refused_where_it_is_not_allowed(library: Library, writer: Index) -> None:
    with pytest.raises(ClrSearchError, match="Only on the machine"):
        Searching(library, Permissions()).reveal(Asked({"id": writer.ids()[0]}))


def test_about(library: Library, writer: Index, own: Path) -> None:
    (own / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (own / "red" / "red02.jpg").unlink()
    writer.update([own])
    (own / "red" / "red04.jpg").unlink()
    about = About(library, None)
    told = about.about(Asked({}))
    tables = {table["title"]: dict(table["rows"]) for table in told["tables"]}
    assert tables["Collection"]["Images"] == "23"
    assert tables["Encoder"]["Name"] == "tiny"
    assert all(value for table in tables.values() for value in table.values())
    [(path, reason)] = told["lists"][0]["rows"]
    assert path.endswith("broken.jpg")
    assert reason
    assert about.missing(Asked({})) == {"missing": 1}


def test_ten_visitors_do_not_get_each_others_answers(tab: Searching, writer: Index) -> None:
    ids = writer.ids()[:10]
    expected = {number: writer.search(number, k=2000).ids.tolist() for number in ids}
    wrong: list[int] = []

    def visit(number: int) -> None:
        for _ in range(5):
            rows = find(tab, terms=[{"id": number}])["rows"]
            if [row["id"] for row in rows] != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_search_is_a_value(tab: Searching) -> None:
    asked = {"terms": [{"id": 1, "crop": [0, 0, 1, 1]}], "label": "red"}
    assert Search.of(Asked(asked)) == Search.of(Asked(dict(asked)))
