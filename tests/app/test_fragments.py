from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from clr_search.app import fragments
from clr_search.app.visit import Answer, Hit, Subject

NASTY = """<img src=x onerror=alert(1)>"'&${alert(1)}{{value}}`"""


class Reader(HTMLParser):
    """Tags with their attributes, and the text, of well-formed HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hit(name: str = "rose.jpg", score: float | None = 0.5, picture: str = "data:,") -> Hit:
    return Hit(7, name, f"roses/{name}", "rose", score, picture)


def step(title: str) -> Subject:
    return Subject(title, "in roses", "data:,large", "data:,small")


def test_every_text_from_outside_is_escaped() -> None:
    pieces = [
        fragments.header(NASTY, 3),
        fragments.grid([Hit(1, NASTY, NASTY, NASTY, 0.5, "data:,")], NASTY),
        fragments.query_card(NASTY, NASTY, "data:,"),
        fragments.trail([step(NASTY), step(NASTY)]),
        fragments.note(NASTY),
        fragments.problem(NASTY, NASTY),
        fragments.verdict([(NASTY, 0.9)], NASTY),
        fragments.verdict([(NASTY, 0.9)], NASTY, none=True),
        fragments.facts(NASTY, [(NASTY, NASTY)]),
        fragments.listing(NASTY, (NASTY, NASTY), [(NASTY, NASTY)], 1),
    ]
    for piece in pieces:
        reader = Reader(piece)
        assert not reader.open
        values = [value or "" for _, attributes in reader.tags for value in attributes.values()]
        assert any(NASTY in text for text in [reader.text, *values])
        assert not any(name.startswith("on") for _, a in reader.tags for name in a)


def test_tiles_name_their_place_and_tell_score_and_label() -> None:
    reader = Reader(fragments.grid([hit("a.jpg", 0.9337), hit("b.jpg", -0.2)], "Neighbours"))
    buttons = reader.all("button")
    assert [button["data-index"] for button in buttons] == ["0", "1"]
    assert buttons[0]["aria-label"] == "a.jpg, similarity 0.934, rose: search from this picture"
    assert "0.934" in reader.text
    assert "-0.200" in reader.text
    assert "7" not in str(buttons)  # ids stay on the server
    widths = [span["style"] for span in reader.all("span") if "style" in span]
    assert widths == ["width:93.4%", "width:0.0%"]


def test_tiles_without_score_or_file_and_an_empty_grid() -> None:
    gone = replace(hit(score=None, picture=""), missing=True)
    reader = Reader(fragments.grid([gone], "Pictures"))
    assert not reader.all("img")
    assert "file not found" in reader.text
    assert "file not found" in str(reader.all("button")[0]["aria-label"])
    assert "similarity" not in str(reader.tags)
    broken = Reader(fragments.grid([hit(picture="")], "Pictures")).text
    assert "file cannot be read" in broken
    assert "not found" not in broken
    assert not Reader(fragments.grid([], "Pictures")).all("button")


def test_the_trail_shows_the_last_eight_steps_by_their_places() -> None:
    assert fragments.trail([]) == fragments.trail([step("a")]) == ""
    buttons = Reader(fragments.trail([step(f"s{i}") for i in range(11)])).all("button")
    assert [button["data-index"] for button in buttons] == [str(i) for i in range(3, 11)]
    assert [i for i, button in enumerate(buttons) if "aria-current" in button] == [7]


def test_the_status_line() -> None:
    told = fragments.status(Answer((hit(),) * 12, 4317, 0.0379))
    assert Reader(told).text == "12 neighbours among 4,317 images in 38 ms"
    told = fragments.status(Answer((hit(),), 1, 2.08))
    assert Reader(told).text == "1 neighbour among 1 image in 2.1 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms"), (0.0015, "2 ms"), (0.999, "999 ms"), (1.0, "1.0 s"), (75, "75.0 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert fragments.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.004, "< 1 %"),
        (0.012, "1 %"),
        (0.934, "93 %"),
        (0.996, "> 99 %"),
        (1, "100 %"),
    ],
)
def test_percentages_never_round_to_certainty(share: float, text: str) -> None:
    assert fragments.percent(share) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (812, "812 B"), (6_400_000, "6.4 MB"), (2_500_000_000, "2.5 GB"), (1000, "1 kB")],
)
def test_sizes(count: int, text: str) -> None:
    assert fragments.size(count) == text


def test_facts_leave_out_what_is_unknown_and_listings_count_the_rest() -> None:
    assert Reader(fragments.facts("Card", [("Name", "x"), ("Licence", "")])).text == "CardNamex"
    reader = Reader(fragments.listing("Left out", ("File", "Reason"), [("a", "b")], 1200))
    assert reader.text.endswith("and 1,200 more")
    assert fragments.listing("Left out", ("File", "Reason"), [], 0) == ""


def test_files_that_are_not_there_are_counted_with_a_remedy() -> None:
    gone = replace(hit(picture=""), missing=True)
    told = Reader(fragments.status(Answer((hit(), gone, gone), 4317, 0.0379))).text
    assert "in 38 ms. 2 files are not there: clr-search build-index or relocate" in told
    assert "1 file is not there" in Reader(fragments.opening([hit(), gone])).text
    assert "not there" not in Reader(fragments.opening([hit()])).text
