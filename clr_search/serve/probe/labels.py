"""Labels out of a CSV file."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from clr_search.errors import UsageError

_REMEDY = "The first line must name the columns path and label; further columns are ignored."


def read_labels(table: Path | str) -> dict[Path, str]:
    """Read which picture has which label.

    The file is UTF-8 text (a byte-order mark is fine) with a header line that names the columns
    `path` and `label`, separated by commas, semicolons or tabs. A relative path is relative to the
    folder of the table. A row without a label is left out.

    Parameters
    ----------
    table : path
        The CSV file.

    Returns
    -------
    dict of Path to str
        Absolute paths, with links in their folders resolved, as an index has them.

    Raises
    ------
    UsageError
        If the file is missing or unreadable, lacks a column or a value, or gives one picture two
        labels; it names the line.
    """
    table = Path(table)
    try:
        text = table.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"There is no file {table}.", "Check the spelling.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{table} cannot be read as UTF-8 text: {error}.", "Save it as CSV in UTF-8."
        ) from error
    try:
        return _parse(text, table)
    except csv.Error as error:
        raise UsageError(f"{table} is no CSV file: {error}.", _REMEDY) from error


def _parse(text: str, table: Path) -> dict[Path, str]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in ("path", "label") if name not in reader.fieldnames]
    if missing:
        raise UsageError(f"{table} has no column {' and no column '.join(missing)}.", _REMEDY)
    labels: dict[Path, str] = {}
    for row in reader:
        name, label = (row["path"] or "").strip(), (row["label"] or "").strip()
        line = f"{table}, line {reader.line_num}"
        if not name:
            raise UsageError(f"{line}, has no path.", _REMEDY)
        if not label:
            continue
        path = table.parent / name
        path = (
            Path(os.path.realpath(path.parent)) / path.name
        )  # `resolve` raises on loops up to 3.12
        if labels.setdefault(path, label) != label:
            raise UsageError(
                f"{line}, gives {name} the label {label!r}, but above it has {labels[path]!r}.",
                "Keep one of the two lines.",
            )
    return labels
