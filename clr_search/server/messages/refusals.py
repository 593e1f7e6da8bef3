"""Refusals of what cannot be used (422): what is wrong, and what is accepted instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError

from clr_search.web.problems import Problem

DESCRIBED = "What a request may hold is described at /docs, and for programs in /openapi.json."
"""The remedy where there is none that says more."""

PICTURES = "Send a file of JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, as it is on the disk."
"""The remedy where a picture cannot be used."""

NO_TEXT = (
    "Send JSON in UTF-8. A name of a file or folder that is no text, which answers show with an "
    "escape such as \\udcf6, cannot be sent: ask with glob, where ? stands for any letter, or ids."
)
"""The remedy where a request holds what is no text."""

_MOST_ERRORS = 1000  # Beyond so many errors only their number is reported: each costs memory.
_LONGEST_NAME = 60  # characters of the name of a field that is repeated


def unusable(detail: str, remedy: str = "") -> Problem:
    """Return the refusal (422) of something that cannot be used.

    Examples
    --------
    >>> unusable("The body is empty.").remedy == DESCRIBED
    True
    """
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, remedy or DESCRIBED)


def wrong(error: ValidationError, model: type[BaseModel]) -> Problem:
    """Return the refusal that describes the errors of a validation by a model."""
    count = error.error_count()
    if count > _MOST_ERRORS:  # Pydantic makes a dict of every error, even to report the first.
        return unusable(f"{count:,} parts of the request are wrong.")
    errors = error.errors(include_input=False)
    unknown = [item["loc"] for item in errors if item["type"] == "extra_forbidden"]
    remedy = _accepted(unknown[0], model) if unknown else ""
    return unusable(told(errors), remedy or (NO_TEXT if any(map(_is_no_text, errors)) else ""))


def _is_no_text(error: Any) -> bool:
    """Whether Pydantic found bytes that are no UTF-8, or half of a pair that stands for none."""
    return error["type"] == "string_unicode" or (
        error["type"] == "json_invalid"
        and any(word in error["msg"] for word in ("surrogate", "hex escape", "unicode code point"))
    )


def told(errors: Sequence[Any], most: int = 3) -> str:
    """Return the first errors of a Pydantic validation as one line of text.

    Parameters
    ----------
    errors : sequence of dict
        What ``ValidationError.errors()`` returns; ``loc`` and ``msg`` are read.
    most : int
        Number of errors to describe; the rest are counted.

    Examples
    --------
    >>> told([{"loc": ("k",), "msg": "Input should be greater than 0"}])
    'k: Input should be greater than 0'
    """
    lines = []
    for item in errors[:most]:
        where = ".".join(str(key) for key in item["loc"])
        unknown = item.get("type") == "extra_forbidden"
        message = "there is no such field" if unknown else item["msg"]
        lines.append(f"{where}: {message}" if where else str(message))
    if len(errors) > most:
        lines.append(f"{len(errors) - most} more")
    return "; ".join(lines)


def _accepted(place: Sequence[int | str], model: type[BaseModel]) -> str:
    """Return which fields there are at the place of an unknown one, and which may be meant."""
    fields = _fields(place[:-1], model)
    return accepted(str(place[-1]), fields) if fields else ""


def accepted(name: str, fields: Iterable[str]) -> str:
    """Return which fields are accepted in the place of an unknown one.

    Examples
    --------
    >>> accepted("lable", ["label", "glob"])
    'Do you mean label? Accepted are label and glob.'
    """
    names = list(fields)
    close = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=1)
    hint = f"Do you mean {close[0]}? " if close else ""
    *others, last = names
    return f"{hint}Accepted are {', '.join(others)} and {last}." if others else f"{hint}{last}."


def _fields(place: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """Return the fields of the object at a place of a model; empty where it is of another kind."""
    for key in place:
        field = model.model_fields.get(str(key))
        inner = [
            kind
            for kind in (*getattr(field.annotation, "__args__", ()), field.annotation)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ] if field else []  # fmt: skip
        if not inner:
            return []
        model = inner[0]
    return list(model.model_fields)
