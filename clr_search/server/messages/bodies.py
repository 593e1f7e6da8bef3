"""Request bodies: JSON, forms with files, or a picture as it is."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from clr_search.server.messages.problems import Problem
from clr_search.server.messages.schemas import ImagesIn, SearchIn
from clr_search.server.settings import Limits

JSON = "application/json"
FORM = "multipart/form-data"
BINARY = "application/octet-stream"

MOST_VALUES = 2**18
"""In JSON: more than the longest vector and the longest filter together. A value of two bytes takes
up to some hundred in memory before anything can be checked."""

_MOST_ERRORS = 1000  # that are looked through, to tell the first
_FIELDS = 64
_TEXT_BYTES = 2**20
_FILES = frozenset({"image", "like", "unlike"})
_JSON_FIELDS = frozenset({"filter", "vector", "crop", "ids"})

_Model = TypeVar("_Model", bound=BaseModel)


class _InMemory(MultiPartParser):
    """Keeps files in memory, whatever their size: the guard bounds it, and nothing is written."""

    spool_max_size = 2**62

    def __init__(self, request: Request, limits: Limits) -> None:
        super().__init__(
            request.headers,
            request.stream(),
            max_files=limits.images + 1,
            max_fields=_FIELDS,
            max_part_size=_TEXT_BYTES,
        )
        self._limits, self._files = limits, 0

    def on_part_end(self) -> None:
        """Note a part, unless it is a file too many."""
        super().on_part_end()
        self._files += isinstance(self.items[-1][1], UploadFile)
        require_few(self._files, self._limits)


async def read_images(request: Request, limits: Limits) -> list[bytes]:
    """The pictures of a request to embed or to classify, at least one.

    Raises
    ------
    Problem
        If there is none, there are too many, or the body is malformed.
    """
    kind = _kind(request)
    if kind == JSON:
        given = parsed(ImagesIn, await request.body())
        require_few(len(given.images), limits)
        return [from_base64(text, f"images[{i}]") for i, text in enumerate(given.images)]
    if kind == FORM:
        form = await _form(request, limits)
        files = [item for name, item in form.multi_items() if name in {"image", "images"}]
        data = [await item.read() for item in files if isinstance(item, UploadFile)]
        if not data or len(data) != len(form.multi_items()):
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "The form must hold files in fields named images, and nothing else.",
            )
        return data
    if kind == BINARY or kind.startswith("image/"):
        body = await request.body()
        if not body:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is empty.")
        return [body]
    raise _unsupported(kind, f"{JSON}, {FORM}, image/* or {BINARY}")


async def read_search(request: Request, limits: Limits) -> SearchIn:
    """What a request searches for.

    Raises
    ------
    Problem
        If the body is malformed, or holds too many pictures.
    """
    kind = _kind(request)
    if kind == JSON:
        asked = parsed(SearchIn, await request.body())
    elif kind == FORM:
        asked = await _search_form(request, limits)
    else:
        raise _unsupported(kind, f"{JSON} or {FORM}")
    given = [name for name in ("image", "vector", "ids") if getattr(asked, name) is not None]
    if len(given) != 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "A search is by one of image, vector and ids"
            + (f", not by {' and '.join(given)} at once." if given else ": none is given."),
        )
    if asked.crop is not None and asked.image is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "crop is of image, and there is none.")
    if asked.k > limits.neighbours:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"k is {asked.k:,}; the most is {limits.neighbours:,}.",
        )
    require_few(1 + len(asked.like) + len(asked.unlike), limits)
    return asked


def require_few(count: int, limits: Limits) -> None:
    """Refuse more pictures than a request may hold."""
    if count > limits.images:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{count:,} pictures are more than the {limits.images:,} that a request may hold.",
            "Send them in several requests.",
        )


def from_base64(text: str, where: str) -> bytes:
    """Bytes of a base64 text.

    Raises
    ------
    Problem
        If it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        hint = "Leave out what is before the comma." if text.startswith("data:") else ""
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where} is no base64.", hint) from None


def parsed(model: type[_Model], body: bytes) -> _Model:
    """A model out of JSON.

    Raises
    ------
    Problem
        With the first things that are wrong, and where; or if it has too many values.
    """
    # Each has one of these before it, but the first of all; strings may have more, base64 has none.
    if sum(map(body.count, (b",", b"[", b"{"))) >= MOST_VALUES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The JSON has more than {MOST_VALUES:,} values."
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _wrong(error) from None


def _wrong(error: ValidationError) -> Problem:
    count = error.error_count()
    if count > _MOST_ERRORS:  # each would be made a dict to tell the first
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{count:,} parts of the request are wrong.",
            "What it may hold is said in /openapi.json.",
        )
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, told(error.errors(include_input=False)))


def told(errors: Sequence[Any], most: int = 3) -> str:
    """Pydantic's findings in a line."""
    lines = []
    for item in errors[:most]:
        where = ".".join(str(part) for part in item["loc"])
        lines.append(f"{where}: {item['msg']}" if where else str(item["msg"]))
    if len(errors) > most:
        lines.append(f"{len(errors) - most} more")
    return "; ".join(lines)


async def _search_form(request: Request, limits: Limits) -> SearchIn:
    """Files in `image`, `like` and `unlike`; the other fields as text, those with parts as JSON."""
    values: dict[str, Any] = {}
    for name, item in (await _form(request, limits)).multi_items():
        value = await _field(name, item)
        if name in {"like", "unlike"}:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is given twice.")
        else:
            values[name] = value
    try:
        return SearchIn.model_validate(values)
    except ValidationError as error:
        raise _wrong(error) from None


async def _field(name: str, item: UploadFile | str) -> Any:
    if isinstance(item, UploadFile):
        if name not in _FILES:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} must be text, not a file.")
        return base64.b64encode(await item.read()).decode("ascii")
    if name in {"like", "unlike"} and item.isascii() and item.isdigit() and len(item) < 20:
        return int(item)
    if name in _JSON_FIELDS:
        try:
            return json.loads(item)
        except (ValueError, RecursionError):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is no JSON.") from None
    return item


async def _form(request: Request, limits: Limits) -> FormData:
    try:
        return await _InMemory(request, limits).parse()
    except (MultiPartException, KeyError) as error:  # KeyError: no boundary
        reason = getattr(error, "message", "it has no boundary")
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The form cannot be read: {reason}"
        ) from None


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported(kind: str, known: str) -> Problem:
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"The content type is {kind or 'not given'}.",
        f"Send {known}.",
    )
