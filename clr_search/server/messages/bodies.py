"""Parsing of request bodies: JSON, forms with files, or the bytes of one picture."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from clr_search.server.messages.long_texts import LONG, LongTexts, occurrences
from clr_search.server.messages.refusals import unusable, wrong
from clr_search.server.messages.schemas import ImagesIn, SearchIn
from clr_search.server.settings import Limits
from clr_search.web.problems import Problem

JSON = "application/json"
FORM = "multipart/form-data"
BINARY = "application/octet-stream"

MOST_VALUES = 2**18
"""Bound on the number of values in a JSON body.

It is above that of the longest vector and the longest filter together. It protects the memory: a
value of two bytes takes up to some hundred bytes once it is parsed, before any other check can run.
"""

_MOST_NAMES = 2**15
"""Bound on the number of colons in a JSON body, and so of its named values, of which a search has
two dozen. The texts of a filter may hold some, and are shorter. Pydantic makes an error of every
name that it does not know, which takes the most time of all that it does.
"""

_FIELDS = 64  # Largest number of text fields in a form; a search has about a dozen.
_TEXT_BYTES = 2**20  # Largest size in bytes of a text field; a vector takes up to about 1 MB.
_FILES = frozenset({"image", "like", "unlike"})
_PICTURES = frozenset({"image", "images", "file", "files"})  # each name that people try
_JSON_FIELDS = frozenset({"filter", "vector", "crop", "ids", "columns"})

_Model = TypeVar("_Model", bound=BaseModel)
_Result = TypeVar("_Result")


class Aside(Protocol):
    """Calls a function that may hold the interpreter for long, where only one does so at a time."""

    def __call__(self, work: Callable[[], _Result]) -> Awaitable[_Result]:
        """Return the result of the function, and meanwhile let the event loop go on."""


class _InMemory(MultiPartParser):
    """A form parser that never writes files to disk; the guard bounds their total size."""

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
        """Count the files of the form, and refuse one too many before it is complete."""
        super().on_part_end()
        self._files += isinstance(self.items[-1][1], UploadFile)
        require_few(self._files, self._limits)


async def read_images(request: Request, limits: Limits, aside: Aside) -> list[bytes]:
    """Return the picture files of a request to embed or to classify, at least one.

    Parameters
    ----------
    request : Request
        The request, whose body has not been read.
    limits : Limits
        How many pictures it may hold.
    aside : callable
        Where a long body is parsed.

    Raises
    ------
    Problem
        If there is no picture or the body is malformed (422), there are too many pictures (413), or
        the content type is unknown (415).
    """
    kind = kind_of(request)
    if kind == JSON:
        texts = LongTexts()
        message = await json_of(ImagesIn, request, texts, aside)
        require_few(len(message.images), limits)
        named = [(text, f"images[{i}]") for i, text in enumerate(message.images)]
        return await from_texts(named, texts)
    if kind == FORM:
        form = await _form(request, limits)
        files = [item for name, item in form.multi_items() if name in _PICTURES]
        data = [await item.read() for item in files if isinstance(item, UploadFile)]
        if not data or len(data) != len(form.multi_items()):
            raise unusable(
                "The form must hold files in fields named images, and nothing else.",
                "With curl: -F images=@a.jpg -F images=@b.jpg, with the @. A field may also be "
                "named image, file or files.",
            )
        return data
    if kind == BINARY or kind.startswith("image/"):
        body = await request.body()
        if not body:
            raise unusable("The body is empty.", "With curl: --data-binary @query.jpg.")
        return [body]
    raise unsupported(kind, f"{JSON}, {FORM}, image/* or {BINARY}")


async def read_search(request: Request, limits: Limits, aside: Aside) -> tuple[SearchIn, LongTexts]:
    """Return the search of a request, with the long texts that it refers to.

    The parameters are those of `read_images`.

    Raises
    ------
    Problem
        If the body is malformed or contradicts itself (422), holds too many pictures (413), or has
        an unknown content type (415).
    """
    kind, texts = kind_of(request), LongTexts()
    if kind == JSON:
        search = await json_of(SearchIn, request, texts, aside)
    elif kind == FORM:
        search = await _search_form(request, limits, texts)
    else:
        raise unsupported(kind, f"{JSON} or {FORM}")
    subjects = [name for name in ("image", "vector", "ids") if getattr(search, name) is not None]
    if len(subjects) != 1:
        raise unusable(
            "A search is by one of image, vector and ids"
            + (f", not by {' and '.join(subjects)} at once." if subjects else ": none is given."),
            "Give one: a picture as image, numbers as vector, or items as ids; further ones as "
            "like and unlike.",
        )
    if search.crop is not None and search.image is None:
        raise unusable(
            "crop is of image, and there is none.", "Leave crop out, or search by image."
        )
    if search.k > limits.neighbours:
        raise unusable(
            f"k is {search.k:,}; the most is {limits.neighbours:,}.",
            f"Ask for 1 to {limits.neighbours:,} results.",
        )
    require_few(1 + len(search.like) + len(search.unlike), limits)
    return search, texts


def require_few(count: int, limits: Limits) -> None:
    """Refuse more pictures than a request may hold.

    Raises
    ------
    Problem
        If `count` is larger than `limits.images` (413).

    Examples
    --------
    >>> require_few(64, Limits(images=64))
    """
    if count > limits.images:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{count:,} pictures are more than the {limits.images:,} that a request may hold.",
            "Send them in several requests.",
        )


async def from_texts(
    named: Sequence[tuple[str, str]],
    texts: LongTexts,
    decoded: Callable[[str, str, LongTexts], bytes] | None = None,
) -> list[bytes]:
    """Return the files of texts, each of which comes with the name of its field.

    A text is decoded by `decoded`, a function that takes what `from_base64`, the default, takes.

    Raises
    ------
    Problem
        If a text is not valid base64 (422).
    """

    def decode() -> list[bytes]:
        return [(decoded or from_base64)(text, where, texts) for text, where in named]

    # Pieces of long texts are decoded in a thread, between which the event loop goes on.
    return await asyncio.to_thread(decode) if texts else decode()


def from_base64(text: str, where: str, texts: LongTexts | None = None) -> bytes:
    """Decode a base64 text; `where` names its field in the message of a refusal.

    Raises
    ------
    Problem
        If the text is not valid base64 (422).

    Examples
    --------
    >>> from_base64("aGVsbG8=", "image")
    b'hello'
    """
    try:
        return (texts or LongTexts()).content(text)
    except ValueError:
        raise unusable(
            f"{where} is no base64.",
            "Leave out what is before the comma."
            if text.startswith("data:")
            else "In JSON a picture is the base64 of its file; in a form it is the file itself, as "
            "in curl -F image=@query.jpg, with the @.",
        ) from None


async def json_of(model: type[_Model], request: Request, texts: LongTexts, aside: Aside) -> _Model:
    """Return the JSON of a request, parsed; its long texts are added to `texts`."""
    body = bytearray()  # Starlette's own reading takes the memory twice.
    async for part in request.stream():
        body += part
    if len(body) < LONG:
        return parsed(model, bytes(body))
    return await aside(lambda: parsed(model, texts.taken_out(body)))


def parsed(model: type[_Model], body: bytes) -> _Model:
    """Parse and validate a JSON body.

    Raises
    ------
    Problem
        If fields are wrong (422; the message names the first of them), or there are too many
        values (413).

    Examples
    --------
    >>> parsed(SearchIn, b'{"ids": [1, 2], "k": 5}').k
    5
    """
    # Every value but the first follows one of these characters, so that their number is a bound.
    # Strings may hold more of them, but base64 has none.
    if sum(occurrences(body, character) for character in (b",", b"[", b"{")) >= MOST_VALUES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The JSON has more than {MOST_VALUES:,} values."
        )
    if occurrences(body, b":") > _MOST_NAMES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The JSON has more than {_MOST_NAMES:,} names."
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise wrong(error, model) from None


async def _search_form(request: Request, limits: Limits, texts: LongTexts) -> SearchIn:
    """Parse a search from a form.

    The fields `image`, for which `file` may stand, `like` and `unlike` are files. The others are
    text; lists and the filter are written as JSON.
    """
    values: dict[str, Any] = {}
    for given, item in (await _form(request, limits)).multi_items():
        name = "image" if given == "file" else given
        value = await _field(name, item, texts)
        if name in {"like", "unlike"}:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise unusable(f"{name} is given twice.", "Give it once; file stands for image.")
        else:
            values[name] = value
    try:
        return SearchIn.model_validate(values)
    except ValidationError as error:
        raise wrong(error, SearchIn) from None


async def _field(name: str, item: UploadFile | str, texts: LongTexts) -> Any:
    """Return the value that a field of a search form has in `SearchIn`."""
    if isinstance(item, UploadFile):
        if name not in _FILES:
            known = name in SearchIn.model_fields
            raise unusable(
                f"{name} must be text, not a file." if known else f"There is no field {name}.",
                "The files of a search are image (or file), like and unlike.",
            )
        return texts.add(await item.read(), encoded=False)
    if name in {"like", "unlike"} and item.isascii() and item.isdigit() and len(item) < 20:
        return int(item)
    if name in _JSON_FIELDS:
        try:
            return json.loads(item)
        except (ValueError, RecursionError):
            raise unusable(
                f"{name} is no JSON.",
                "In a form it is written as in a JSON body: "
                + ('{"label": "rose"}.' if name == "filter" else "a list, as in [1, 2]."),
            ) from None
    return item


async def _form(request: Request, limits: Limits) -> FormData:
    """Parse the form of a request in memory."""
    try:
        return await _InMemory(request, limits).parse()
    except (MultiPartException, KeyError) as error:  # A KeyError: no boundary.
        reason = getattr(error, "message", "it has no boundary")
        raise unusable(
            f"The form cannot be read: {reason}",
            "Let a library make it, or curl with -F image=@query.jpg.",
        ) from None


def kind_of(request: Request) -> str:
    """Return the media type of a request in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(kind: str, accepted: str) -> Problem:
    """Return the refusal of a media type; `accepted` lists the readable ones."""
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"The content type is {kind or 'not given'}.",
        f"Send {accepted}.",
    )
