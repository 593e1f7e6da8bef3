"""Labels of pictures are read from a CSV file."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from clr_search.errors import UsageError

_REMEDY = "The first line must name the columns path and label; further columns are ignored."


def read_labels(table: Path | str) -> dict[Path, str]:
    r"""Read the labels of pictures from a CSV file.

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
        Label of each picture, by absolute path; links in its folders are resolved, as in an index.

    Raises
    ------
    UsageError
        If the file is missing or unreadable, lacks a column or a value, or gives one picture two
        labels; the message names the line.

    Examples
    --------
    >>> _ = Path("labels.csv").write_text("path,label\na.jpg,cat\nb.jpg,\n", encoding="utf-8")
    >>> {path.name: label for path, label in read_labels("labels.csv").items()}
    {'a.jpg': 'cat'}
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
    """Parse the text of the file `table`."""
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
        # Not `Path.resolve`, which raises on loops of links up to Python 3.12.
        path = Path(os.path.realpath(path.parent)) / path.name
        if labels.setdefault(path, label) != label:
            raise UsageError(
                f"{line}, gives {name} the label {label!r}, but above it has {labels[path]!r}.",
                "Keep one of the two lines.",
            )
    return labels
