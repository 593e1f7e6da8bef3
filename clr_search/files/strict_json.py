"""Reading JSON that somebody else may have written: bounded, and with one kind of error."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from clr_search.files.own import OwnFile

MOST_BYTES = 64 * 2**20
"""Largest JSON file that is read; the metrics of a hundred thousand epochs are half of it."""

_MOST = 2**63  # greatest number that is believed
_SHOWN = 100  # characters of a wrong value that an error shows


def parse_object(text: str) -> dict[str, object]:
    """Returns the one JSON object of a text.

    Raises
    ------
    ValueError
        If the text is no JSON object, an object names a key twice (whichever were taken, another
        program would take the other), or it is nested too deeply.

    Examples
    --------
    >>> parse_object('{"width": 2}')
    {'width': 2}
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def checked_fields(values: object, cls: type[Any]) -> dict[str, Any]:
    """Returns an object of JSON whose entries are fields of a data class, of their types.

    Entries may be missing; the data class has defaults for them, or raises TypeError.

    Parameters
    ----------
    values : object
        A value out of JSON.
    cls : type
        The data class.

    Raises
    ------
    ValueError
        If it is no object, or an entry is no field, or has another type than the field.
    """
    if not isinstance(values, dict):
        raise ValueError(f"what should describe a {cls.__name__} is no JSON object")
    types = _types_of(cast(Hashable, cls))
    unknown = values.keys() - types.keys()
    if unknown:
        raise ValueError(f"there is no {min(unknown)!r}"[:_SHOWN])
    for name, value in values.items():
        if not is_of(value, types[name]):
            raise ValueError(f"{name} is {value!r}"[:_SHOWN])
    return values


@cache
def _types_of(cls: Hashable) -> dict[str, Any]:
    """Returns the types of the fields of a data class; evaluating them takes half a millisecond."""
    hints = get_type_hints(cls)
    return {item.name: hints[item.name] for item in fields(cast(Any, cls))}


def is_of(value: object, hint: Any) -> bool:
    """Returns whether a value has the type of a field; a number must also be finite and sane."""
    if get_origin(hint) in (Union, UnionType):
        return any(is_of(value, part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return isinstance(value, str | int | float) and value in get_args(hint)
    if get_origin(hint) is not None:  # a sequence, which JSON has as a list
        return isinstance(value, tuple | list)
    if hint in (int, float):
        kinds = (int,) if hint is int else (int, float)
        return type(value) in kinds and -_MOST < value < _MOST  # type: ignore[operator]
    return isinstance(value, hint) and (not isinstance(value, str) or _is_text(value))


def _is_text(value: str) -> bool:
    """Returns whether a text can be printed and stored: JSON may spell half of a character."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def read_text(path: OwnFile | Path) -> str:
    """Returns the text of a file in UTF-8.

    Raises
    ------
    NotOursError
        If it is a link, or no regular file.
    ValueError
        If the file is larger than `MOST_BYTES`, is not UTF-8, or cannot be read.
    """
    try:
        with OwnFile.at(path).open() as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be read") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES // 2**20} MB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Returns an object of JSON; refuses one that names a key twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object in it names a key twice")
    return found
