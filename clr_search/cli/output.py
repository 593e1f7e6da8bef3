"""Printing for all commands: JSON Lines, aligned tables, paths, and numbers for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.files.stores.address import is_address
from clr_search.terminal import printable, raw

if TYPE_CHECKING:
    from clr_search.errors import ClrSearchError
    from clr_search.files.finding.left_out import LeftOut
    from clr_search.index import IndexInfo


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    heading : str
        Text above the column; empty for none.
    right : bool
        Whether its cells are aligned to the right, as numbers are.
    style : str
        Its style in a terminal, in the notation of rich, such as ``"cyan"``.
    """

    heading: str = ""
    right: bool = False
    style: str = ""


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line; paths become strings.

    Text is printed as it is where the encoding of stdout has its characters. Elsewhere, and for
    file names that are not valid text, it is escaped, and in a terminal what the terminal obeys.

    Examples
    --------
    >>> echo_json({"path": Path("a.jpg"), "score": 0.5})
    {"path": "a.jpg", "score": 0.5}
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8", "strict")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    if sys.stdout.isatty() and printable(text) != text:
        text = json.dumps(value, default=str).replace("\x7f", "\\u007f")
    click.echo(text)


def echo_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = 0) -> None:
    """Print rows in aligned columns; styles are used only where stdout is a terminal.

    Headings are printed if any column has one. Nothing is cut or wrapped, so that a path can be
    copied whole.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    rows : sequence of sequence of str
        One cell for each column, in every row.
    indent : int
        Number of spaces before each line.

    Examples
    --------
    >>> echo_table([Column("rank", right=True), Column("path")], [["1", "a.jpg"], ["10", "b.jpg"]])
    rank  path
       1  a.jpg
      10  b.jpg
    """
    if sys.stdout.isatty():
        rows = [[printable(cell, lines=False) for cell in row] for row in rows]
    headed = any(column.heading for column in columns)
    lines = [[column.heading for column in columns], *rows] if headed else list(rows)
    widths = [max((_width(line[at]) for line in lines), default=0) for at in range(len(columns))]
    aligned = [
        [
            _pad(cell, width, right=column.right)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        for line in lines
    ]
    if sys.stdout.isatty():
        _echo_styled(columns, aligned, indent, headed=headed)
        return
    for line in aligned:
        click.echo((" " * indent + "  ".join(line)).rstrip())


def _echo_styled(
    columns: Sequence[Column], aligned: Sequence[Sequence[str]], indent: int, *, headed: bool
) -> None:
    """Print padded cells in the styles of their columns, and headings dimly."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=raw(sys.stdout), highlight=False)
    for number, line in enumerate(aligned):
        text = Text(" " * indent)
        for at, (cell, column) in enumerate(zip(line, columns, strict=True)):
            text.append("  " if at else "")
            text.append(cell, "dim" if headed and number == 0 else column.style)
        text.rstrip()
        console.print(text, soft_wrap=True)


def _width(text: str) -> int:
    """Return the number of columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _pad(text: str, width: int, *, right: bool) -> str:
    """Return a text with spaces before or after it, `width` columns wide."""
    space = " " * (width - _width(text))
    return space + text if right else text + space


def echo_facts(facts: Sequence[tuple[str, str]], indent: int = 2) -> None:
    """Print names with their values in two columns; names with an empty value are left out.

    Examples
    --------
    >>> echo_facts([("images", "36"), ("skipped", ""), ("search", "exact")])
      images  36
      search  exact
    """
    rows = [fact for fact in facts if fact[1]]
    echo_table([Column(style="dim"), Column()], rows, indent)


def echo_heading(text: str, *, apart: bool = False) -> None:
    """Print the heading of the lines below; `apart` prints an empty line above it."""
    if apart:
        click.echo()
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if bold:
        click.echo(click.style(printable(text), bold=True), file=raw(sys.stdout))
    else:
        click.echo(text)


def shown(path: Path | str) -> str:
    """Return a path for people: relative to the working folder where that is shorter.

    Examples
    --------
    >>> shown(Path.cwd() / "photos" / "a.jpg").replace(os.sep, "/")
    'photos/a.jpg'
    """
    path = os.fspath(path)
    if is_address(path):
        return path
    if path.startswith("milvus"):
        return path  # an address, or a name that is short
    try:
        relative = os.path.relpath(path)
    except ValueError:  # On Windows, the path is on another drive.
        return path
    return relative if len(relative) < len(path) else path


def marked(path: Path | str, *, missing: bool) -> str:
    """Return a path as `shown` does, marked where its file is not there.

    Examples
    --------
    >>> marked("a.jpg", missing=True)
    'a.jpg  (not there)'
    """
    return shown(path) + ("  (not there)" if missing else "")


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun; `plural` is given where it does not end in s.

    Examples
    --------
    >>> count(1, "picture"), count(4317, "picture"), count(2, "class", "classes")
    ('1 picture', '4,317 pictures', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share(fraction: float | None) -> str:
    """Return a fraction in [0, 1] as a percentage with one decimal; an empty text for None.

    Examples
    --------
    >>> share(0.8432), share(None)
    ('84.3 %', '')
    """
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def duration(seconds: float) -> str:
    """Return a number of seconds as people say it.

    Examples
    --------
    >>> duration(0.52), duration(41.3), duration(725), duration(13200)
    ('0.52 s', '41.3 s', '12 min 5 s', '3 h 40 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(number: int) -> str:
    """Return a number of bytes with its unit, in powers of 1000.

    Examples
    --------
    >>> size(812), size(3_400_000), size(1_200_000_000)
    ('812 B', '3.4 MB', '1.2 GB')
    """
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def echo_skipped(skipped: Sequence[tuple[Path, str]], *, verbose: bool, first: int = 10) -> None:
    """Print the files and folders that were left out, with their reasons.

    Only the `first` of them are printed, unless `verbose` is true.
    """
    if not skipped:
        return
    echo_heading(f"Skipped {count(len(skipped), 'path')}:")
    listed = skipped if verbose else skipped[:first]
    echo_table([Column(), Column(style="dim")], [(shown(path), why) for path, why in listed], 2)
    if len(listed) < len(skipped):
        click.echo(f"  … and {len(skipped) - len(listed):,} more; --verbose lists all.")
    if any("pixels are more than the limit" in reason for _, reason in skipped):
        click.echo("Larger pictures are read with --max-pixels.")


def echo_noted(noted: Sequence[tuple[Path, str, bool]], *, verbose: bool) -> None:
    """Print how many files were read with a loss, or not shown in full; with `verbose`, which.

    Each of `noted` is a path, what a person should know of it, and whether a part is missing.
    """
    lossy = [(path, note) for path, note, missing in noted if missing]
    others = [(path, note) for path, note, missing in noted if not missing]
    for files, what in ((lossy, "with loss"), (others, "with a note on what is shown")):
        if not files:
            continue
        if verbose:
            echo_heading(f"Read {what}: {count(len(files), 'file')}")
            echo_table([Column(), Column(style="dim")], [(shown(p), note) for p, note in files], 2)
        else:
            click.echo(f"Read {what}: {count(len(files), 'file')}; --verbose lists them.")


def structure(info: IndexInfo) -> str:
    """Return the search structure with its measured recall and time: ``exact, 0.4 ms a search``."""
    phrases = [info.structure]
    if info.recall is not None:
        phrases.append(f"recall@10 {info.recall:.3f}")
    if info.latency_ms is not None:
        phrases.append(f"{info.latency_ms:.2g} ms a search")
    return ", ".join(phrases)


def status(text: str) -> None:
    """Print what the command is doing on stderr, if a person may be waiting at a terminal."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


def complain(error: ClrSearchError) -> None:
    """Print the failure of one of several inputs on stderr."""
    click.echo(f"Error: {error}", err=True)


def complain_of(left_out: LeftOut, *, options: bool = False) -> list[ClrSearchError]:
    """Print what was left out on stderr, and return the folders that could not be listed.

    With `options`, the options are named by which the command takes it.
    """
    from clr_search.errors import ClrSearchError
    from clr_search.files.finding.left_out import passed_over, selected

    others = selected(tuple(left_out.others.items()), options=options)
    for line in [*passed_over(left_out.kinds()), *others]:
        click.echo(line, err=True)
    skipped = left_out.skipped()
    failures = [ClrSearchError(f"{shown(path)} is left out: {reason}.") for path, reason in skipped]
    for failure in failures:
        complain(failure)
    return failures


def picture_format(path: Path) -> str:
    """Return Pillow's name of the format that the suffix of a file name stands for.

    Examples
    --------
    >>> picture_format(Path("sheet.jpg")), picture_format(Path("sheet.png"))
    ('JPEG', 'PNG')
    """
    suffix = path.suffix.lower().removeprefix(".")
    return {"jpg": "JPEG"}.get(suffix, suffix.upper())
