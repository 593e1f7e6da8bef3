"""Embeddings as clients of OpenAI's API ask for them, and get them.

The inputs are pictures: data URLs, as strings or in the objects that clients of multimodal models
send. A data URL holds the picture itself; no other URL is accepted, and none is ever fetched.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from clr_search.server.messages.bodies import (
    JSON,
    Aside,
    from_texts,
    json_of,
    kind_of,
    require_few,
    unsupported,
)
from clr_search.server.messages.long_texts import LongTexts
from clr_search.server.messages.refusals import unusable
from clr_search.server.messages.schemas import EXAMPLE_PICTURE, MOST_PICTURES, Input
from clr_search.server.settings import Limits
from clr_search.web.problems import Problem

_EXAMPLE = f"data:image/png;base64,{EXAMPLE_PICTURE}"
_NAME = 1000  # most characters of names, which are repeated or ignored

_REMEDY = "Send the picture itself, as in data:image/jpeg;base64,/9j/4AAQSkZJRg…."

_WANTED = "Input should be a data URL, or an object with one"

PATH = "/v1/embeddings"
"""Path of the route."""

DataUrl = Annotated[str, Field(description="data:image/jpeg;base64,…")]


class UrlIn(Input):
    """A URL, in the object that the chat API of OpenAI has for one."""

    url: DataUrl
    detail: Annotated[str | None, Field(max_length=_NAME, description="Ignored.")] = None


class PictureIn(Input):
    """A picture as an object, in one of the forms that clients send: exactly one field has it."""

    type: Annotated[str | None, Field(max_length=_NAME, description="Ignored.")] = None
    image: Annotated[str | None, Field(description="A data URL, or base64.")] = None
    image_url: DataUrl | UrlIn | None = None

    def text(self) -> str:
        """Return the data URL or base64 of the picture; empty where there is none, or two."""
        url = self.image_url.url if isinstance(self.image_url, UrlIn) else self.image_url
        given = [text for text in (self.image, url) if text is not None]
        return given[0] if len(given) == 1 else ""


def _kind(value: object) -> str | None:
    """Return which of the types of an input a value is of; None for none."""
    kinds = ((str, "text"), ((dict, PictureIn), "object"), (list, "list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), None)


_One = Annotated[DataUrl, Tag("text")] | Annotated[PictureIn, Tag("object")]
_Many = Annotated[
    list[Annotated[_One, Discriminator(_kind, "input_type", _WANTED)]],
    Field(min_length=1, max_length=MOST_PICTURES),
]


class EmbeddingsIn(Input):
    """A request for embeddings, as clients of OpenAI's API send it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"input": _EXAMPLE, "model": "clr"}]})
    input: Annotated[
        _One | Annotated[_Many, Tag("list")], Discriminator(_kind, "input_type", _WANTED)
    ]
    model: Annotated[
        str, Field(max_length=_NAME, description="Any name; the answer repeats it.")
    ] = ""
    encoding_format: Annotated[
        Literal["float", "base64"], Field(description="base64: of little-endian float32.")
    ] = "float"
    dimensions: Annotated[
        int | None, Field(description="That of the encoder; there is no other.")
    ] = None
    user: Annotated[str | None, Field(max_length=_NAME, description="Ignored.")] = None


class EmbeddingOut(BaseModel):
    """The unit vector of one picture, as numbers or as base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class UsageOut(BaseModel):
    """What is counted; a picture counts as one token."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(BaseModel):
    """The vectors of the pictures, in their order."""

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: UsageOut


async def read_embeddings(
    request: Request, limits: Limits, aside: Aside
) -> tuple[EmbeddingsIn, list[bytes]]:
    """Return a request for embeddings, and its picture files, at least one.

    The parameters are those of `bodies.read_images`.

    Raises
    ------
    Problem
        If an input is no picture or the body is malformed (422), there are too many pictures (413),
        or the content type is unknown (415).
    """
    kind, texts = kind_of(request), LongTexts()
    if kind != JSON:
        raise unsupported(kind, JSON)
    message = await json_of(EmbeddingsIn, request, texts, aside)
    inputs = message.input if isinstance(message.input, list) else [message.input]
    require_few(len(inputs), limits)
    named, bare = [], set()
    for number, one in enumerate(inputs):
        where = f"input[{number}]" if isinstance(message.input, list) else "input"
        named.append((one if isinstance(one, str) else one.text(), where))
        if isinstance(one, PictureIn) and one.image is not None:
            bare.add(where)
    return message, await from_texts(named, texts, partial(from_data_url, bare=frozenset(bare)))


def from_data_url(
    text: str, where: str, texts: LongTexts, *, bare: frozenset[str] = frozenset()
) -> bytes:
    """Decode a data URL.

    Parameters
    ----------
    text : str
        The data URL, or what stands for it.
    where : str
        The name of its field, for the message of a refusal.
    texts : LongTexts
        The long texts of the request.
    bare : frozenset of str
        The fields that may also hold base64 alone.

    Raises
    ------
    Problem
        If the text is no data URL with base64 (422).

    Examples
    --------
    >>> from_data_url("data:image/png;base64,aGVsbG8=", "input", LongTexts())
    b'hello'
    """
    head = texts.head(text)
    plain = head.replace("\\/", "/").lower()  # as JSON may write it in a long text
    try:
        if plain.startswith("data:") and plain.endswith(";base64,"):
            return texts.content_after(head, text)
        if text and where in bare:
            return texts.content_after("", text)
    except ValueError:
        raise unusable(f"{where} is no base64.", _REMEDY) from None
    if "://" in plain:
        raise unusable(f"{where} is a URL, and no URL is ever fetched.", _REMEDY)
    raise unusable(f"{where} is no picture: it is no data URL with base64.", _REMEDY)


def explain(problem: Problem) -> None:
    """Let a refusal also say what is wrong where clients of OpenAI's API look for it.

    Examples
    --------
    >>> problem = unusable("It is no picture.", "Send one.")
    >>> explain(problem)
    >>> problem.members
    {'error': {'message': 'It is no picture. Send one.', 'type': 'invalid_request_error'}}
    """
    kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    message = f"{problem.detail} {problem.remedy}".strip()
    problem.members = {"error": {"message": message, "type": kind}}


def answered(message: EmbeddingsIn, vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Return the answer to a request, for vectors float32 (N, D), as JSON has it.

    Examples
    --------
    >>> asked = EmbeddingsIn(input="data:,", model="m", encoding_format="base64")
    >>> answered(asked, np.ones((1, 1), np.float32))["data"]
    [{'object': 'embedding', 'index': 0, 'embedding': 'AACAPw=='}]
    """
    rows = vectors.astype("<f4")
    coded = (
        [base64.b64encode(row.tobytes()).decode() for row in rows]
        if message.encoding_format == "base64"
        else rows.tolist()
    )
    data = [
        {"object": "embedding", "index": number, "embedding": one}
        for number, one in enumerate(coded)
    ]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return {"object": "list", "data": data, "model": message.model, "usage": usage}
