"""Labels of pictures are read from a CSV file, as people, spreadsheets and programs write it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.finding.selection import IMAGE_SUFFIXES
from clr_search.files.names import composed

PATHS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_name",
    "img",
    "picture",
    "photo",
    "name",
    "image_id",
    "id",
)
"""Names of the column with the pictures, the most telling first; spaces and hyphens count as _."""

LABELS = ("label", "class", "category", "tag", "label_name", "class_name", "species", "target")
"""Names of the column with the labels, the most telling first."""

DELIMITERS = ",;\t|"

_REMEDY = "The first line must name the columns path and label; further columns are ignored."
_UTF8, _WESTERN = "UTF-8", "Windows-1252"
_BOMS = (  # UTF-32 first: the mark of UTF-16 is the beginning of its.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF8, "UTF-8-sig"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A row of a table that gives a picture a label.

    Attributes
    ----------
    line : int
        Number of its (last) line in the file, from 1.
    name : str
        What the table calls the picture: a path or a bare name, as it is written.
    label : str
        The label, not empty, in Unicode's composed form (NFC).
    """

    line: int
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A table of labels.

    Attributes
    ----------
    path : Path
        The CSV file; relative names in it are relative to its folder at first.
    rows : tuple of LabelRow
        The rows that have a label.
    unlabelled : int
        Number of rows that name a picture and have no label.
    encoding : str
        The encoding that the text was read in.
    """

    path: Path
    rows: tuple[LabelRow, ...]
    unlabelled: int
    encoding: str

    @property
    def is_guessed(self) -> bool:
        """Whether the encoding is a guess: the text is no Unicode, and says nothing about it."""
        return self.encoding == _WESTERN


def read_table(path: Path | str) -> LabelTable:
    r"""Read a table of labels.

    The text is UTF-8, UTF-16 or UTF-32; a line that is none of them is read as Windows-1252, which
    contains Latin-1. Commas, semicolons, tabs or bars separate the columns; a line ``sep=;`` of
    spreadsheets says which. The header names a column of `PATHS` and one of `LABELS`, in any case;
    a table of two columns whose first line begins with the name of a picture needs no header.

    Parameters
    ----------
    path : path
        The CSV file.

    Raises
    ------
    UsageError
        If the file is missing or unreadable, lacks a column or the name of a picture, or has a row
        of more values than columns; the message names the line.

    Examples
    --------
    >>> _ = Path("labels.csv").write_text("file;class\na.jpg;cat\nb.jpg;\n", encoding="utf-8")
    >>> table = read_table("labels.csv")
    >>> table.rows, table.unlabelled
    ((LabelRow(line=2, name='a.jpg', label='cat'),), 1)
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", "Check the spelling.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    return table_of(data, path)


def table_of(data: bytes, path: Path) -> LabelTable:
    """Read the bytes of a table of labels, as `read_table` does; `path` is where it lies."""
    text, encoding = decoded(data, path)
    try:
        rows, unlabelled = _parse(text, path)
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV file: {error}.", _REMEDY) from error
    return LabelTable(path, tuple(rows), unlabelled, encoding)


def decoded(data: bytes, path: Path) -> tuple[str, str]:
    """Return the text of a file, and the encoding that it is in."""
    if data.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path} is no CSV file, but a spreadsheet.", "Save it as CSV (UTF-8).")
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "")
    if not encoding and b"\0" in data[:4]:
        encoding = "UTF-16-BE" if data[:1] == b"\0" else "UTF-16-LE"
    if encoding:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{path} cannot be read as {encoding} text: {error}.", "Save it as CSV in UTF-8."
            ) from error
    if b"\0" in data:
        raise UsageError(f"{path} is no text.", "Save the table as CSV in UTF-8.")
    try:
        return data.decode("utf-8"), _UTF8
    except UnicodeDecodeError:
        # Line by line, since programs write names of files as they are, next to other text.
        return "".join(map(_line, data.splitlines(keepends=True))), _WESTERN


def _line(data: bytes) -> str:
    """Return a line of text that is UTF-8 or Windows-1252."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")  # which knows the five bytes that Windows-1252 leaves out


def _parse(text: str, path: Path) -> tuple[list[LabelRow], int]:
    """Return the rows with a label, and the number of those without, of the text of a file."""
    said = re.match(r'"?sep=(.)"?\r?\n', text)
    skipped = 0 if said is None else 1
    text = text if said is None else text[said.end() :]
    head = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = said[1] if said else max(DELIMITERS, key=head.count)
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    header = next(lines, [])
    if _is_picture(header):
        at, label_at, first = 0, 1, [(1 + skipped, header)]
    else:
        at, label_at = _columns(header, path)
        first = []
    rows: list[LabelRow] = []
    unlabelled = 0
    numbered = ((lines.line_num + skipped, cells) for cells in lines)
    for line, cells in (*first, *numbered):
        if any(cell.strip() for cell in cells[len(header) :]):
            raise UsageError(
                f"{path}, line {line}, has {len(cells)} values for {len(header)} columns.",
                f"Put a value that contains {delimiter!r} into quotation marks.",
            )
        name, label = (cells[n].strip() if n < len(cells) else "" for n in (at, label_at))
        if name and label:
            rows.append(LabelRow(line, name, composed(label)))
        elif label:
            raise UsageError(f"{path}, line {line}, has no path.", _REMEDY)
        elif name:
            unlabelled += 1
    return rows, unlabelled


def _is_picture(header: Sequence[str]) -> bool:
    """Return whether a first line of two cells is a row already: it begins with a picture."""
    return len(header) == 2 and Path(header[0].strip()).suffix.lower() in IMAGE_SUFFIXES


def _columns(header: Sequence[str], path: Path) -> tuple[int, int]:
    """Return the positions of the columns of pictures and of labels."""
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
    found = [next((names.index(n) for n in known if n in names), -1) for known in (PATHS, LABELS)]
    missing = [known[0] for known, at in zip((PATHS, LABELS), found, strict=True) if at < 0]
    if missing:
        raise UsageError(f"{path} has no column {' and no column '.join(missing)}.", _REMEDY)
    return found[0], found[1]
