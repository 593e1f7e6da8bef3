"""The questions of the Copies tab: the search, its groups, and what people say about them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clr_search.analysis import duplicates
from clr_search.analysis.duplicates import find_duplicates
from clr_search.app.functions.copies import Copies
from clr_search.app.library.asked import Asked
from clr_search.app.library.copies import CopySearch
from clr_search.app.library.library import Library
from clr_search.app.library.permissions import Permissions
from clr_search.app.library.uploads import Uploads
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index


class Tab:
    """The questions of the tab, as a browser asks them."""

    def __init__(self, library: Library, permissions: Permissions) -> None:
        self.search = CopySearch(library)
        self.copies = Copies(library, permissions, self.search)

    def ask(self, name: str, **values: object) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.copies, name)(Asked(values))
        return answer

    def searched(self) -> int:
        """Search to the end, and return the number of the search."""
        self.ask("copies_begin")
        self.search.wait()
        told = self.ask("copies")
        assert told["doing"] is None
        assert told["failed"] is None
        return int(told["found"]["search"])

    def groups(self, search: int, **values: object) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.ask("copies_groups", search=search, **values)["groups"]
        return groups


@pytest.fixture
def library(copied: Path, tmp_path: Path) -> Iterator[Library]:
    (tmp_path / "uploads").mkdir()
    with Index.open(copied) as index:
        library = Library(index, Uploads(tmp_path / "uploads"))
        yield library
        library.close()


@pytest.fixture
def tab(library: Library) -> Tab:
    return Tab(library, Permissions())


def names(group: dict[str, Any]) -> set[str]:
    return {copy["name"] for copy in group["copies"]}


def found(collection: Path) -> list[set[str]]:
    with Index.open(collection) as index:
        groups = find_duplicates(index).groups
    return [{copy.item.path.name for copy in group.copies} for group in groups]


def test_before_a_search_there_is_nothing(tab: Tab) -> None:
    assert tab.ask("copies") == {"doing": None, "failed": None, "found": None}
    with pytest.raises(ClrSearchError, match="searched for anew"):
        tab.groups(1)


def test_groups_have_their_pictures_and_what_could_go(tab: Tab) -> None:
    search = tab.searched()
    told = tab.ask("copies")["found"]
    assert (told["groups"], told["same"], told["could_go"]) == (2, 1, 3)
    assert told["pictures"] == 9
    assert not told["stale"]
    first, second = tab.groups(search)
    assert names(first) == {"4.png", "4 again.png", "4.jpg"}
    assert names(second) == {"2.png", "2 <b>&copy.png"}
    kept = [copy["id"] for copy in first["copies"] if copy["keep"]]
    assert {copy["id"] for copy in first["copies"]} - set(kept) == set(first["go"])
    assert first["frees"] == sum(c["bytes"] for c in first["copies"] if not c["keep"])


def test_groups_by_kind_and_in_parts(tab: Tab) -> None:
    search = tab.searched()
    assert [group["exact"] for group in tab.groups(search, kind="same")] == [True]
    assert [group["exact"] for group in tab.groups(search, kind="alike")] == [False]
    assert len(tab.groups(search, offset=1, count=1)) == 1
    assert names(tab.groups(search, order="name")[0]) == {"2.png", "2 <b>&copy.png"}
    with pytest.raises(UsageError):
        tab.groups(search, kind="other")


def test_what_differs_is_told(tab: Tab) -> None:
    search = tab.searched()
    facts = tab.ask("copies_facts", search=search, place=0)["facts"]
    group = tab.groups(search)[0]
    by_name = {copy["name"]: one for copy, one in zip(group["copies"], facts, strict=True)}
    assert by_name["4.jpg"]["kind"] == "JPEG"
    assert not by_name["4.jpg"]["lossless"]
    assert by_name["4.png"]["lossless"]
    assert by_name["4.png"]["coloured"]
    assert by_name["4.png"]["exif"] == "no EXIF"


def test_a_file_that_has_gone_since_is_told(tab: Tab, copied: Path) -> None:
    search = tab.searched()
    (copied.parent / "pictures" / "4.jpg").unlink()
    facts = tab.ask("copies_facts", search=search, place=0)["facts"]
    assert [one["unread"] for one in facts if "unread" in one] == ["the file is gone"]


def test_remarks_are_remembered_and_taken_back(tab: Tab, copied: Path) -> None:
    search = tab.searched()
    group = tab.ask("copies_say", search=search, place=1)["group"]
    assert group["said"]
    assert not tab.ask("copies")["found"]["stale"]  # it was we who changed the collection
    assert found(copied) == [{"4.png", "4 again.png", "4.jpg"}]
    group = tab.ask("copies_say", search=search, place=1, undo=True)["group"]
    assert not group["said"]
    assert len(found(copied)) == 2


def test_one_picture_of_three_is_no_copy(tab: Tab, copied: Path) -> None:
    search = tab.searched()
    (jpeg,) = (c for c in tab.groups(search)[0]["copies"] if c["name"] == "4.jpg")
    group = tab.ask("copies_say", search=search, place=0, one=True, id=jpeg["id"])["group"]
    assert [copy["name"] for copy in group["copies"] if copy["said"]] == ["4.jpg"]
    assert not group["said"]
    assert {"4.png", "4 again.png"} in found(copied)


def test_other_searches_groups_and_pictures_change_nothing(tab: Tab, copied: Path) -> None:
    search = tab.searched()
    for values in (
        {"search": search + 1, "place": 0},
        {"search": search, "place": 2},
        {"search": search, "place": -1},
        {"search": search, "place": 0, "one": True, "id": 10**6},
        {"search": search, "place": 0, "one": True, "id": "1"},
    ):
        with pytest.raises(ClrSearchError):
            tab.ask("copies_say", **values)
    assert len(found(copied)) == 2


def test_who_may_not_write_says_nothing(library: Library, copied: Path) -> None:
    tab = Tab(library, Permissions(write=False))
    search = tab.searched()
    with pytest.raises(ClrSearchError, match="everybody in the network"):
        tab.ask("copies_say", search=search, place=0)
    assert len(found(copied)) == 2


def test_while_another_process_writes_it_is_told(tab: Tab, copied: Path) -> None:
    search = tab.searched()
    with Index.open(copied, writable=True), pytest.raises(ClrSearchError, match="written"):
        tab.ask("copies_say", search=search, place=0)


def test_a_change_of_the_collection_is_told(tab: Tab, copied: Path) -> None:
    tab.searched()
    with Index.open(copied, writable=True) as index:
        index.label({index.ids()[0]: "new"})
    assert tab.ask("copies")["found"]["stale"]


def test_one_search_at_a_time_which_can_be_stopped(
    tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow(index, *, load, reporter):  # type: ignore[no-untyped-def]
        with reporter.task("Looking at pictures", 9, "images"):
            reporter.advance(3)
            reached.set()
            assert go_on.wait(30)
            reporter.advance()

    monkeypatch.setattr(duplicates, "find_duplicates", slow)
    tab.ask("copies_begin")
    assert reached.wait(30)
    doing = tab.ask("copies")["doing"]
    assert (doing["what"], doing["done"], doing["total"]) == ("Looking at pictures", 3, 9)
    with pytest.raises(ClrSearchError, match="going on already"):
        tab.ask("copies_begin")
    tab.ask("copies_stop")
    go_on.set()
    tab.search.wait()
    told = tab.ask("copies")
    assert told["doing"] is None
    assert "was stopped" in told["failed"]["what"]
    assert told["found"] is None


def test_a_failure_is_told_in_words(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(index, *, load, reporter):  # type: ignore[no-untyped-def]
        raise RuntimeError("secret")

    monkeypatch.setattr(duplicates, "find_duplicates", broken)
    tab.ask("copies_begin")
    tab.search.wait()
    failed = tab.ask("copies")["failed"]
    assert "failed" in failed["what"]
    assert "secret" not in str(failed)
