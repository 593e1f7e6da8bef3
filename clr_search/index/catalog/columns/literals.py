"""Values of columns: how they are written, and what kind they are of."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Value = int | float | str
"""A value of a column; a date is text, YYYY-MM-DDTHH:MM:SS."""

_DATE = re.compile(
    r"(\d{4})(?:[-:](\d\d)(?:[-:](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?)?)?"
)
_WHOLE = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value to compare with.

    Attributes
    ----------
    value : int, float or str
        The value; of a date, when it begins.
    end : str or None
        Of a date, when it is over: that of a day is the next one. None for all other kinds.
    """

    value: Value
    end: str | None = None


class MistakeError(Exception):
    """What is wrong with a condition: the place, from 0, what, and what to do."""

    def __init__(self, at: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.at, self.what, self.remedy = at, what, remedy


def name_error(at: int, name: str, names: Sequence[str]) -> MistakeError:
    """Return the mistake of a column that there is not, with those that there are."""
    close = difflib.get_close_matches(name[:100], names[:1000], n=1)
    listed = ", ".join(names[:40])
    return MistakeError(
        at,
        f"there is no column {name[:100]}",
        (f"Did you mean {close[0]}? " if close else "") + f"There are: {listed}.",
    )


def literal_of(at: int, column: str, kind: str, text: str, *, is_text: bool) -> Literal:
    """Return a literal as the kind of its column has it.

    Raises
    ------
    MistakeError
        If the column has another kind of values.
    """
    if kind == "text":
        return Literal(text)
    if kind == "date":
        period = period_of(text)
        if period is None:
            raise MistakeError(
                at,
                f"{column} is a date, which {text[:40]!r} is not",
                "Write '2024-05-01', '2024-05', '2024' or '2024-05-01 12:30:00'.",
            )
        return Literal(*period)
    value = float(text) if not is_text else math.nan
    if not math.isfinite(value):
        raise MistakeError(at, f"{column} is a number, which '{text[:40]}' is not", "")
    if _WHOLE.fullmatch(text):
        return Literal(int(text))
    return Literal(value)


def period_of(text: str) -> tuple[str, str] | None:
    """Return when a date begins, and when it is over: a year, a month, a day, or a second.

    Examples
    --------
    >>> period_of("2024-12")
    ('2024-12-01T00:00:00', '2025-01-01T00:00:00')
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    _, month, day, hour, minute, second = (
        None if part is None else int(part) for part in found.groups()
    )
    try:
        begin = datetime(  # the clock of a camera knows no zone
            int(found[1]), month or 1, day or 1, hour or 0, minute or 0, second or 0
        )
        if month == 0 or day == 0:
            return None
        if month is None:
            end = begin.replace(year=begin.year + 1)
        elif day is None:
            end = (begin + timedelta(days=31)).replace(day=1)
        elif hour is None:
            end = begin + timedelta(days=1)
        else:
            end = begin + timedelta(seconds=60 if second is None else 1)
    except (ValueError, OverflowError):
        return None
    return begin.isoformat(timespec="seconds"), end.isoformat(timespec="seconds")


def kind_of(texts: Sequence[str]) -> str:
    """Return the narrowest kind that all texts are of: integer, real, date, or else text.

    Examples
    --------
    >>> kind_of(["1", "2.5"]), kind_of(["2024-05-01", "2024-05"]), kind_of(["1", "a"])
    ('real', 'date', 'text')
    """
    if all(_WHOLE.fullmatch(text) for text in texts):
        return "integer"
    if all(_is_real(text) for text in texts):
        return "real"
    if all("-" in text and period_of(text) is not None for text in texts):
        return "date"
    return "text"


def value_of(text: str, kind: str) -> Value:
    """Return the value of a text that is of this kind."""
    if kind == "integer":
        return int(text)
    if kind == "real":
        return float(text)
    period = period_of(text) if kind == "date" else None
    return text if period is None else period[0]


def _is_real(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
