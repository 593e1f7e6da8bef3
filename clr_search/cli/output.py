"""What goes to stdout: JSON Lines, aligned tables, paths, numbers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clr_search.errors import ClrSearchError
    from clr_search.files.left_out import LeftOut
    from clr_search.index import IndexInfo


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, whether it is set to the right, its style in a terminal."""

    heading: str = ""
    right: bool = False
    style: str = ""


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line; paths become strings.

    Text stays readable where stdout can carry it; elsewhere, and for file names that are no valid
    text, it is escaped.
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8", "strict")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    click.echo(text)


def echo_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = 0) -> None:
    """Print rows, aligned: with styles where stdout is a terminal, plainly elsewhere.

    Headings are printed if any column has one. Nothing is cut or wrapped, so that a path can be
    copied whole.
    """
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
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for number, line in enumerate(aligned):
        text = Text(" " * indent)
        for at, (cell, column) in enumerate(zip(line, columns, strict=True)):
            text.append("  " if at else "")
            text.append(cell, "dim" if headed and number == 0 else column.style)
        text.rstrip()
        console.print(text, soft_wrap=True)


def _width(text: str) -> int:
    """Columns a text takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def echo_facts(facts: Sequence[tuple[str, str]], indent: int = 2) -> None:
    """Print names with their values, aligned; those without a value are left out."""
    rows = [fact for fact in facts if fact[1]]
    echo_table([Column(style="dim"), Column()], rows, indent)


def echo_heading(text: str, *, apart: bool = False) -> None:
    """Print what the lines below are about; `apart` sets it off from those above."""
    if apart:
        click.echo()
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(click.style(text, bold=True) if bold else text)


def shown(path: Path | str) -> str:
    """A path as people read it: relative to the working folder where that is shorter."""
    path = os.fspath(path)
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive
        return path
    return relative if len(relative) < len(path) else path


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 picture``, ``4,317 pictures``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share(fraction: float | None) -> str:
    """A fraction in [0, 1] as a percentage of three digits; empty for None."""
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def duration(seconds: float) -> str:
    """``0.52 s``, ``41.3 s``, ``12 min 5 s``, ``3 h 40 min``."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(number: int) -> str:
    """Bytes as ``812 B``, ``3.4 MB``, ``1.2 GB`` (powers of 1000)."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def echo_skipped(skipped: Sequence[tuple[Path, str]], *, verbose: bool, first: int = 10) -> None:
    """List files and folders that were left out, with their reasons."""
    if not skipped:
        return
    echo_heading(f"Skipped {count(len(skipped), 'path')}:")
    listed = skipped if verbose else skipped[:first]
    echo_table([Column(), Column(style="dim")], [(shown(path), why) for path, why in listed], 2)
    if len(listed) < len(skipped):
        click.echo(f"  … and {len(skipped) - len(listed):,} more; --verbose lists all.")


def structure(info: IndexInfo) -> str:
    """How a collection is searched, with what was measured: ``exact, 0.4 ms a search``."""
    parts = [info.structure]
    if info.recall is not None:
        parts.append(f"recall@10 {info.recall:.3f}")
    if info.latency_ms is not None:
        parts.append(f"{info.latency_ms:.2g} ms a search")
    return ", ".join(parts)


def status(text: str) -> None:
    """Say what is being done, to a person who waits at a terminal."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


def complain(error: ClrSearchError) -> None:
    """Report one failure among several inputs on stderr."""
    click.echo(f"Error: {error}", err=True)


def complain_of(left_out: LeftOut) -> list[ClrSearchError]:
    """Report the folders that could not be listed, and return these failures."""
    from clr_search.errors import ClrSearchError

    skipped = left_out.skipped()
    failures = [ClrSearchError(f"{shown(path)} is left out: {reason}.") for path, reason in skipped]
    for failure in failures:
        complain(failure)
    return failures


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a file name stands for."""
    suffix = path.suffix.lower().removeprefix(".")
    return {"jpg": "JPEG"}.get(suffix, suffix.upper())
