"""What a browser asks, checked value by value: nothing of a message is used unchecked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clr_search.errors import UsageError
from clr_search.images import Crop
from clr_search.index.catalog.filters import ALL, Filter

MOST_TERMS = 32
"""Largest number of pictures in one query."""

MOST_ROWS = 500
"""Largest number of rows in one answer."""

MOST_CHOSEN = 5000
"""Largest number of pictures that one message may name."""

SORTS = ("likeness", "newest", "oldest", "name")
"""Orders of pictures; by likeness, pictures without a query come in the order of their ids."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
_LARGEST_ID = 2**53  # the largest whole number that JavaScript counts to


class Asked:
    """A message of a browser: an object, whose values are read by kind.

    Each method raises `UsageError` where the value is of another kind or out of its range.

    Parameters
    ----------
    given : object
        The message, as JSON has it.

    Examples
    --------
    >>> asked = Asked({"id": 3, "label": " rose "})
    >>> asked.item(), asked.text("label"), asked.number("least", 0, 100, 0.0)
    (3, 'rose', 0.0)
    """

    def __init__(self, given: object) -> None:
        if not isinstance(given, Mapping):
            raise _unexpected("message")
        self._given = given

    def part(self, name: str) -> Asked:
        """Return the object with this name; an empty one where there is none."""
        return Asked(self._given.get(name) or {})

    def parts(self, name: str, most: int) -> list[Asked]:
        """Return the objects in a list."""
        return [Asked(entry) for entry in self._list(name, most)]

    def text(self, name: str, most: int = 4096) -> str:
        """Return a text without spaces at its ends; an empty one where there is none."""
        value = self._given.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > most:
            raise _unexpected(name)
        return value.strip()

    def number(self, name: str, least: float, most: float, otherwise: float) -> float:
        """Return a number within its bounds."""
        value = self._given.get(name)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _unexpected(name)
        if not (math.isfinite(value) and least <= value <= most):
            raise UsageError(f"{name} is {value:g}.", f"It can be {least:g} to {most:g}.")
        return value

    def count(self, name: str, least: int, most: int, otherwise: int) -> int:
        """Return a whole number within its bounds."""
        value = self.number(name, least, most, otherwise)
        if value != int(value):
            raise _unexpected(name)
        return int(value)

    def flag(self, name: str) -> bool:
        """Return whether something is so; it is not where nothing is said."""
        return self._given.get(name) is True

    def choice(self, name: str, among: Sequence[str]) -> str:
        """Return one of some words; the first where there is none."""
        value = self._given.get(name) or among[0]
        if value not in among:
            raise _unexpected(name)
        return str(value)

    def item(self, name: str = "id") -> int:
        """Return the id of an item, of which there may be none in the collection."""
        value = self._given.get(name)
        if type(value) is not int or not 0 <= value <= _LARGEST_ID:
            raise _unexpected(name)
        return value

    def items(self, name: str = "ids", most: int = MOST_CHOSEN) -> list[int]:
        """Return ids of items, each once, in their order."""
        ids = self._list(name, most)
        if not all(type(value) is int and 0 <= value <= _LARGEST_ID for value in ids):
            raise _unexpected(name)
        return list(dict.fromkeys(ids))

    def token(self, name: str) -> str | None:
        """Return the token of an upload; None where there is none."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise _unexpected(name)
        return value

    def crop(self, name: str = "crop") -> Crop | None:
        """Return a part of a picture, in fractions; None for all of it."""
        if self._given.get(name) is None:
            return None
        values = self._list(name, 4)
        if len(values) != 4 or not all(
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
            for value in values
        ):
            raise _unexpected(name)
        left, top, width, height = map(float, values)
        if width <= 0 or height <= 0 or left + width > 1 + 1e-6 or top + height > 1 + 1e-6:
            raise _unexpected(name)
        return left, top, min(width, 1 - left), min(height, 1 - top)

    def day(self, name: str) -> datetime | None:
        """Return the begin of a day, in the time zone of the machine; None where there is none."""
        value = self.text(name, 10)
        if not value:
            return None
        try:
            return datetime.strptime(value, "%Y-%m-%d").astimezone()
        except (ValueError, OverflowError, OSError):
            raise UsageError(f"{value} is no day.", "Write it as 2024-05-31.") from None

    def _list(self, name: str, most: int) -> list[Any]:
        """Return a list that is not longer than `most`."""
        value = self._given.get(name) or []
        if not isinstance(value, list) or len(value) > most:
            raise _unexpected(name)
        return value


@dataclass(frozen=True, slots=True)
class Term:
    """A picture of a query: an item or an upload, its weight, and the part that counts.

    Attributes
    ----------
    item : int or None
        Id of the item; None for an upload.
    upload : str or None
        Token of the upload; None for an item.
    weight : float
        How much the results should be like it; unlike it where it is negative.
    crop : (left, top, width, height), optional
        The part of the picture, in fractions.
    """

    item: int | None
    upload: str | None = None
    weight: float = 1.0
    crop: Crop | None = None

    @classmethod
    def of(cls, asked: Asked) -> Term:
        """Return a checked term."""
        upload = asked.token("upload")
        return cls(
            None if upload else asked.item(),
            upload,
            asked.number("weight", -5, 5, 1.0),
            asked.crop(),
        )


@dataclass(frozen=True, slots=True)
class Search:
    """What the page shows: the neighbours of a query, or all pictures where it has no terms.

    Attributes
    ----------
    terms : tuple of Term
        The pictures of the query.
    filter : Filter
        Conditions on the results.
    least : float
        Least percentile of a result, from 0 to 100; 0 for no limit.
    diverse : float
        Weight, in [0, 1], of results differing from each other.
    sort : str
        One of `SORTS`.
    """

    terms: tuple[Term, ...] = ()
    filter: Filter = ALL
    least: float = 0.0
    diverse: float = 0.0
    sort: str = SORTS[0]

    @classmethod
    def of(cls, asked: Asked) -> Search:
        """Return a checked search.

        Examples
        --------
        >>> search = Search.of(Asked({"terms": [{"id": 7}], "label": "coat"}))
        >>> search.terms[0].item, search.filter.label, search.sort
        (7, 'coat', 'likeness')
        """
        return cls(
            tuple(map(Term.of, asked.parts("terms", MOST_TERMS))),
            Filter(
                label=asked.text("label") or None,
                under=asked.text("under") or None,
                where=asked.text("where") or None,
                after=asked.day("after"),
                before=asked.day("before"),
                on_disk=False,
            ),
            asked.number("least", 0, 100, 0.0),
            asked.number("diverse", 0, 1, 0.0),
            asked.choice("sort", SORTS),
        )


def _unexpected(name: str) -> UsageError:
    """Return the error of a value that the page does not send."""
    return UsageError(f"The value of {name} is none that this page sends.", "Load the page again.")
