"""What a person reads while waiting."""

from __future__ import annotations

import re
from io import StringIO

import pytest

from clr_search import progress
from clr_search.progress import Bar, Lines, Reporter, Silent, for_terminal


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_lines_come_at_intervals_and_at_the_end(clock: Clock) -> None:
    out = StringIO()
    lines = Lines(out, interval=10)
    lines.begin("Embedding", 1000, "images")
    for _ in range(4):
        clock.now += 6
        lines.advance(100)
    lines.end()
    assert out.getvalue().splitlines() == [
        "Embedding: 200/1,000 images · 16.7 images/s · 0:48 left",
        "Embedding: 400/1,000 images · 16.7 images/s · 0:36 left",
        "Embedding: 400/1,000 images · 16.7 images/s · 0:36 left",
    ]


def test_the_last_line_says_how_long_it_took(clock: Clock) -> None:
    out = StringIO()
    lines = Lines(out)
    lines.begin("Training", 2, "epochs")
    clock.now += 3725
    lines.advance(2, "loss 4.1")
    lines.end()
    assert out.getvalue().splitlines()[-1] == (
        "Training: 2/2 epochs · 0.0 epochs/s · 1:02:05 in all · loss 4.1"
    )


def test_notes_stay_until_replaced(clock: Clock) -> None:
    out = StringIO()
    lines = Lines(out, interval=0)
    lines.begin("X", None, "things")
    clock.now += 1
    lines.advance(1, "first")
    lines.advance(1)
    lines.advance(1, "second")
    said = out.getvalue().splitlines()
    assert [line.rsplit(" · ", 1)[1] for line in said] == ["first", "first", "second"]
    assert said[0].startswith("X: 1 things · 1.0 things/s · 0:01 in all")


def test_two_bars_after_each_other_count_anew(clock: Clock) -> None:
    out = StringIO()
    lines = Lines(out)
    for what in ("A", "B"):
        lines.begin(what, 2, "x")
        clock.now += 1
        lines.advance(2)
        lines.end()
    assert [line[:6] for line in out.getvalue().splitlines()] == ["A: 2/2", "B: 2/2"]


def test_nothing_done_in_no_time(clock: Clock) -> None:
    out = StringIO()
    lines = Lines(out)
    lines.begin("A", 0, "x")
    lines.end()
    assert out.getvalue() == "A: 0/0 x · 0.0 x/s · 0:00 in all\n"


def test_lines_go_to_stderr_as_it_is_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.message("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_the_bar_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.begin("Embedding [3]", 10, "images")
    bar.advance(4, "1 skipped")
    bar.advance(6)
    bar.message("[not markup] 100%")
    bar.end()
    bar.advance(1)  # after the end: nothing
    bar.end()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Embedding [3]" in captured.err
    assert re.search(r"10\s*/\s*10", captured.err)
    assert "1 skipped" in captured.err
    assert "[not markup] 100%" in captured.err


def test_a_second_bar_ends_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.begin("First", 1, "x")
    bar.begin("Second", None, "y")
    bar.advance(3)
    bar.end()
    assert "Second" in capsys.readouterr().err


def test_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent: Reporter = Silent()
    silent.message("x")
    silent.begin("x", 1, "y")
    silent.advance(1)
    silent.end()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("terminal", "kind"), [(True, Bar), (False, Lines)])
def test_for_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool, kind: type) -> None:
    stream = StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    assert isinstance(for_terminal(), kind)


def test_a_task_closes_its_bar_also_when_it_fails() -> None:
    stream = StringIO()
    lines = Lines(stream, interval=0)

    def interrupted() -> None:
        with lines.task("Embedding", 3, "images"):
            lines.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().splitlines()[-1].startswith("Embedding: 1/3 images")
