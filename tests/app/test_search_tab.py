"""Handlers of the tab, called as Gradio calls them, with sessions and what browsers may send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from clr_search.app.explorer import Explorer
from clr_search.app.search_tab import (
    Controls,
    SearchTab,
    place_of,
    title_of,
)
from clr_search.app.visit import Session, Subject
from clr_search.index import Index


@pytest.fixture
def tab(collection: Path) -> Iterator[SearchTab]:
    with Index.open(collection) as index, gr.Blocks(analytics_enabled=False) as page:
        explorer = Explorer(index, seed=0)
        yield SearchTab(explorer, page)
        explorer.close()


def at(index: object) -> gr.EventData:
    return gr.EventData(None, {"index": index})


DEFAULTS = Controls()


def test_pictures_are_chosen_by_their_place_on_the_page(tab: SearchTab) -> None:
    opened = tab.on_open(Session(), DEFAULTS)
    session = opened[tab.session]
    assert len(session.shown) == 12
    assert session.subject is None
    chosen = tab.on_pick(session, DEFAULTS, at(3))[tab.session]
    assert chosen.subject.item == session.shown[3]
    assert session.shown[3] not in chosen.shown
    again = tab.on_pick(chosen, DEFAULTS, at(0))[tab.session]
    assert [step.item for step in again.trail] == [session.shown[3], chosen.shown[0]]
    back = tab.on_back(again, DEFAULTS)[tab.session]
    assert back.shown == chosen.shown
    first = tab.on_return(again, DEFAULTS, at(0))[tab.session]
    assert first.trail == chosen.trail
    assert tab.on_back(first, DEFAULTS)[tab.session].subject is None


@pytest.mark.parametrize("place", [-1, 12, 10**9, "3", 3.0, True, None, [3], {}])
def test_other_places_change_nothing(tab: SearchTab, place: object) -> None:
    session = tab.on_open(Session(), DEFAULTS)[tab.session]
    assert tab.on_pick(session, DEFAULTS, at(place)) == {}
    assert tab.on_return(session, DEFAULTS, at(place)) == {}


@pytest.mark.parametrize("data", [None, "x", 3, [1], {"other": 1}])
def test_other_event_data_names_no_place(data: Any) -> None:
    assert place_of(gr.EventData(None, data), 12) is None


def test_filters_without_a_match_say_so(tab: SearchTab) -> None:
    said = tab.on_random(Session(), Controls(label="no such label"))
    assert "No picture matches" in said[tab.status]
    assert (
        "Nothing here matches" in tab.on_show(Session(), Controls(label="no such label"))[tab.grid]
    )


def test_nothing_like_the_picture_is_said(tab: SearchTab) -> None:
    opened = tab.on_open(Session(), DEFAULTS)[tab.session]
    chosen = tab.on_pick(opened, DEFAULTS, at(0))[tab.session]
    strict = tab.on_show(chosen, Controls(least=100.0))
    assert "Nothing in the collection is so like this picture." in strict[tab.status]
    assert strict[tab.session].shown == ()
    loose = tab.on_show(chosen, Controls(least=50.0))
    assert loose[tab.session].shown


def test_labels_are_offered(tab: SearchTab) -> None:
    choices = tab.on_open(Session(), DEFAULTS)[tab.label]["choices"]
    assert [value for _, value in choices] == ["", "blue", "green", "red"]


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ((5, "red", "a"), Controls(5, "red", "a")),
        ((1, "", ""), Controls(4)),
        ((10**9, None, None), Controls(48)),
        ((float("inf"), 3, {}), Controls(48)),
        ((float("nan"), [], "x"), Controls(12, "", "x")),
        (("many", "", ""), Controls(12)),
        (({"path": "x"}, "", ""), Controls(12)),
        ((12, "", "", 99.9), Controls(least=99.9)),
        ((12, "", "", "99"), Controls()),
        ((12, "", "", float("nan")), Controls()),
        ((12, "", "", -3), Controls()),
        ((12, "", "", 0, " width > 3 "), Controls(where="width > 3")),
        ((12, "", "", 0, ["width > 3"]), Controls()),
        ((12, "", "", 0, "é" * 3000), Controls(where="é" * 3000)),
    ],
)
def test_filters_are_made_of_whatever_is_sent(sent: tuple[Any, ...], understood: Controls) -> None:
    assert Controls.sent(*sent) == understood


def test_a_made_up_name_is_no_title() -> None:
    assert title_of(Path("/tmp/x/image.png")) == "Your picture"
    assert title_of(Path("/tmp/x/rose.png")) == "rose.png"


def test_the_trail_is_bounded() -> None:
    session = Session()
    for number in range(120):
        session = session.step(Subject(str(number), "", "", ""))
    assert len(session.trail) == 50
    assert session.subject is not None
    assert session.subject.title == "119"


def test_a_condition_on_columns(tab: SearchTab) -> None:
    opened = tab.on_show(Session(), Controls(count=48, where="label = 'red'"))
    assert len(opened[tab.session].shown) == 12
    chosen = tab.on_pick(opened[tab.session], Controls(where="label = 'blue'"), at(0))
    assert len(chosen[tab.session].shown) == 12
    assert set(chosen[tab.session].shown).isdisjoint(opened[tab.session].shown)
    none = tab.on_show(Session(), Controls(where="width > 100000"))
    assert "Nothing here matches" in none[tab.grid]


@pytest.mark.parametrize("wrong", ["widht > 3", "width >", "x" * 4097])
def test_a_wrong_condition_is_said_and_changes_nothing(tab: SearchTab, wrong: str) -> None:
    for said in (
        tab.on_show(Session(), Controls(where=wrong)),
        tab.on_random(Session(), Controls(where=wrong)),
    ):
        assert said.keys() == {tab.status}
        assert "ondition" in said[tab.status]
        assert 'role="alert"' in said[tab.status]
