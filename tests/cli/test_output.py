"""JSON Lines, tables, paths and numbers."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.cli import output
from clr_search.cli.output import Column


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Replace stdout by one of an encoding; gives what was written."""

    def replace(encoding: str) -> io.BytesIO:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, write_through=True))
        return raw

    return replace


def test_json_keeps_letters_where_stdout_has_them(stdout) -> None:  # type: ignore[no-untyped-def]
    raw = stdout("utf-8")
    output.echo_json({"path": Path("розы/é.jpg")})
    assert raw.getvalue().decode() == '{"path": "розы/é.jpg"}\n'


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_valid_in_every_encoding(stdout, encoding: str) -> None:  # type: ignore[no-untyped-def]
    raw = stdout(encoding)
    names = ["розы.jpg", "not text \udcff.jpg"]
    for name in names:
        output.echo_json({"path": name})
    lines = raw.getvalue().decode(encoding).splitlines()
    assert [json.loads(line)["path"] for line in lines] == names


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [Column("n", right=True), Column("label"), Column("path")]
    output.echo_table(columns, [["1", "花", "a b"], ["10", "rose", ""]], indent=2)
    assert capsys.readouterr().out == "   n  label  path\n   1  花     a b\n  10  rose\n"


def test_a_table_without_headings_has_no_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.echo_table([Column(), Column()], [["a", "b"]])
    assert capsys.readouterr().out == "a  b\n"
    output.echo_table([Column(), Column()], [])
    assert capsys.readouterr().out == ""


def test_in_a_terminal_a_table_is_styled_and_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)
    path = "a/" * 40 + "[bold].jpg"
    output.echo_table([Column(style="cyan"), Column()], [["0.99", path]], indent=2)
    written = capsys.readouterr().out
    assert written == f"  \x1b[36m0.99\x1b[0m  {path}\n"


def test_facts_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.echo_facts([("loss", "3.2"), ("accuracy", ""), ("time", "1 s")])
    assert capsys.readouterr().out == "  loss  3.2\n  time  1 s\n"


def test_paths_are_relative_where_that_is_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output.shown(tmp_path / "a.jpg") == "a.jpg"
    assert output.shown(tmp_path.parent / "a.jpg") == f"..{os.sep}a.jpg"
    assert output.shown("/a.jpg") == "/a.jpg"


@given(st.lists(st.text("ab. ", min_size=1, max_size=5), min_size=1, max_size=5))
def test_a_shown_path_leads_to_the_same_place(names: list[str]) -> None:
    path = os.path.abspath(os.path.join("/", *names))  # noqa: PTH100, PTH118
    assert os.path.abspath(output.shown(path)) == path  # noqa: PTH100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.517, "0.52 s"), (41.26, "41.3 s"), (725, "12 min 5 s"), (13200, "3 h 40 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(812, "812 B"), (3_400_000, "3.4 MB"), (1.2e9, "1.2 GB"), (2e13, "20.0 TB")],
)
def test_sizes(number: int, text: str) -> None:
    assert output.size(number) == text


def test_counts_and_shares() -> None:
    assert output.count(1, "picture") == "1 picture"
    assert output.count(4317, "picture") == "4,317 pictures"
    assert output.count(0, "query", "queries") == "0 queries"
    assert output.share(0.84321) == "84.3 %"
    assert output.share(None) == ""


def test_skipped_files_are_cut_short_unless_all_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    skipped = [(Path(f"{number}.jpg"), "broken") for number in range(13)]
    output.echo_skipped(skipped, verbose=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Skipped 13 paths:"
    assert lines[-1] == "  … and 3 more; --verbose lists all."
    assert len(lines) == 12
    output.echo_skipped(skipped, verbose=True)
    assert len(capsys.readouterr().out.splitlines()) == 14
    output.echo_skipped([], verbose=True)
    assert capsys.readouterr().out == ""


def test_formats_by_name() -> None:
    names = ["a.PNG", "a.jpg", "a.jpeg", "a.webp"]
    formats = [output.picture_format(Path(name)) for name in names]
    assert formats == ["PNG", "JPEG", "JPEG", "WEBP"]
