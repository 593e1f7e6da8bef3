"""The JSON of requests and answers, as Pydantic models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from clr_search.index.catalog.filters import ALL, MOST_BYTES, Filter
from clr_search.index.search.query import Embedded, Picture, Query
from clr_search.serve.probe.verdict import Verdict

Base64 = Annotated[str, Field(description="A picture file, base64.", min_length=1)]
Id = Annotated[int, Field(ge=0, lt=2**63, description="Id of an item.")]
Text = Annotated[str, Field(max_length=MOST_BYTES)]
Fraction = Annotated[float, Field(ge=0, le=1)]


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _written_out(value: object) -> object:
    """Refuses numbers for dates, which Pydantic takes for seconds: 2024 would be in 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DAY.match(value)):
        return value
    raise PydanticCustomError(
        "moment", "Input should be a date such as 2024-05-01, or a time as 2024-05-01T12:30:00"
    )


Moment = Annotated[datetime, BeforeValidator(_written_out)]

# The length of every list is bounded, since Pydantic keeps an error for each wrong element and
# stops at the bound. How many pictures a request may hold is checked after the validation.
_MOST = 65_536  # The largest number of elements of a vector, `contract.MOST_NUMBERS`.
MOST_PICTURES = 8192
_MOST_COLUMNS = 50

Missing = Annotated[
    bool | None,
    Field(description="Whether its file is not there; null if that could not be told in time."),
]

EXAMPLE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM4YaMBRxoVNnDEMLQk"
    "ALO/QQEtYGh9AAAAAElFTkSuQmCC"
)


SUBJECT = ""
"""Key of the picture to search by in `SearchIn.pictures`; no base64 is empty, so it is unique."""


class Input(BaseModel):
    """The base of requests; it refuses unknown fields, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ImagesIn(Input):
    """Pictures to embed or to classify."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [EXAMPLE_PICTURE]}]})
    images: Annotated[
        list[Base64],
        Field(
            min_length=1,
            max_length=MOST_PICTURES,
            validation_alias=AliasChoices("images", "files"),
        ),
    ]


class FilterIn(Input):
    """Conditions on the results; a result meets all that are given."""

    under: Annotated[
        Text | None,
        Field(description="A folder as paths have it, or relative to a root, with all below it."),
    ] = None
    label: Text | None = None
    glob: Annotated[Text | None, Field(description="Pattern for the path or its end.")] = None
    after: Annotated[Moment | None, Field(description="Taken at this time or later.")] = None
    before: Moment | None = None
    min_side: Annotated[int | None, Field(ge=0, description="Shorter side in pixels.")] = None
    max_side: Annotated[int | None, Field(ge=0)] = None
    min_bytes: Annotated[int | None, Field(ge=0)] = None
    max_bytes: Annotated[int | None, Field(ge=0)] = None
    ids: Annotated[list[Id] | None, Field(max_length=100_000)] = None
    where: Annotated[
        Text | None, Field(description="Condition on columns, as `camera = 'X100'`.")
    ] = None

    def conditions(self) -> Filter:
        """Return the filter of the index, which looks nothing up on the disk."""
        return Filter(**self.model_dump(), on_disk=False)


class SearchIn(Input):
    """A search by exactly one of a picture, a vector, and items."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"image": EXAMPLE_PICTURE, "k": 5}, {"ids": [1], "unlike": [2]}]
        },
    )
    image: Annotated[Base64 | None, Field(validation_alias=AliasChoices("image", "file"))] = None
    vector: Annotated[
        list[float] | None, Field(max_length=_MOST, description="Of any length but 0.")
    ] = None
    ids: Annotated[
        list[Id] | None, Field(min_length=1, max_length=1000, description="Their mean is sought.")
    ] = None
    like: Annotated[
        list[Id | Base64],
        Field(
            max_length=MOST_PICTURES,
            description="Items, or pictures, that results should be more like.",
        ),
    ] = []
    unlike: Annotated[list[Id | Base64], Field(max_length=MOST_PICTURES)] = []
    filter: FilterIn | None = None
    k: Annotated[int, Field(ge=1, description="How many results.")] = 10
    diverse: Annotated[
        Fraction, Field(description="How much the results should differ from each other.")
    ] = 0.0
    crop: Annotated[
        tuple[Fraction, Fraction, Fraction, Fraction] | None,
        Field(description="Left, top, width, height of the part of `image` to search by."),
    ] = None
    include_self: Annotated[bool, Field(description="Keep the query's own items.")] = False
    min_score: Annotated[
        float | None, Field(ge=-1, le=1, description="Least cosine of a result.")
    ] = None
    min_percentile: Annotated[
        float | None,
        Field(ge=0, le=100, description="Least share of random pairs that are less alike."),
    ] = None
    columns: Annotated[
        list[Text],
        Field(max_length=_MOST_COLUMNS, description="Columns to show with each result."),
    ] = []

    def pictures(self) -> dict[str, tuple[str, str]]:
        """Return the base64 of each picture and the name of its field.

        The picture to search by is first and has the key `SUBJECT`. The keys of the others are
        their own base64, so that each is embedded once.

        Examples
        --------
        >>> SearchIn(image="AAAA", unlike=["BBBB", 7]).pictures()
        {'': ('AAAA', 'image'), 'BBBB': ('BBBB', 'unlike[0]')}
        """
        named = {} if self.image is None else {SUBJECT: (self.image, "image")}
        for name, examples in (("like", self.like), ("unlike", self.unlike)):
            for number, example in enumerate(examples):
                if isinstance(example, str):
                    named.setdefault(example, (example, f"{name}[{number}]"))
        return named

    def query(self, embedded: Mapping[str, Embedded]) -> Query:
        """Return the query of the index; `embedded` holds the `pictures` under their keys.

        The crop is not part of the query, since the picture was cropped before its embedding.

        Raises
        ------
        UsageError
            If a text of the filter is too long.

        Examples
        --------
        >>> SearchIn(ids=[1, 2], k=5).query({}).k
        5
        """

        def resolved(examples: list[int | str]) -> list[Picture]:
            return [embedded[one] if isinstance(one, str) else one for one in examples]

        return Query(
            picture=embedded.get(SUBJECT),
            ids=self.ids or (),
            vectors=None if self.vector is None else np.array(self.vector),
            like=resolved(self.like),
            unlike=resolved(self.unlike),
            filter=ALL if self.filter is None else self.filter.conditions(),
            k=self.k,
            diversity=self.diverse,
            include_self=self.include_self,
            min_score=self.min_score,
            min_percentile=self.min_percentile,
            columns=self.columns,
        )


class ResultOut(BaseModel):
    """One neighbour of the query."""

    rank: int
    path: str
    score: Annotated[float, Field(description="Cosine similarity.")]
    percentile: Annotated[
        float | None, Field(description="Share of random pairs that are less alike, per cent.")
    ]
    label: str | None
    id: int
    missing: Missing
    columns: Annotated[
        dict[str, int | float | str | None],
        Field(description="Values of the columns that were asked for; left out where none were."),
    ] = {}


class SearchOut(BaseModel):
    """The neighbours of a query, the nearest first."""

    results: list[ResultOut]


class EmbedOut(BaseModel):
    """The unit vectors of the pictures, in their order."""

    embeddings: list[list[float]]
    dimension: int
    model: Annotated[str, Field(description="SHA-256 of the encoder.")]


class Prediction(BaseModel):
    """A class with its probability."""

    label: str
    probability: float


class PredictionsOut(BaseModel):
    """The classes of one picture, the most probable first; they are meaningful if it is known."""

    predictions: list[Prediction]
    known: Annotated[
        bool | None,
        Field(description="Whether it is of any of the classes; null if the probe cannot tell."),
    ]
    novelty: Annotated[
        float | None, Field(description="How unlike all classes; above 1, it is not known.")
    ]

    @classmethod
    def of(cls, verdict: Verdict, k: int) -> PredictionsOut:
        """Return the k most probable classes of a verdict, with its novelty."""
        best = [Prediction(label=name, probability=share) for name, share in verdict.best(k)]
        return cls(predictions=best, known=verdict.known, novelty=verdict.value)


class ClassifyOut(BaseModel):
    """The predictions for the pictures, in their order."""

    results: list[PredictionsOut]
    refused: Annotated[
        float | None,
        Field(description="Share of new pictures of the classes that are not known by mistake."),
    ]
    caught: Annotated[
        float | None,
        Field(
            description="Estimated share of pictures of other classes that are not known; null if "
            "it could not be estimated, or the probe cannot tell."
        ),
    ]


class ItemOut(BaseModel):
    """An item of the collection: a picture file, as it was indexed."""

    id: int
    path: str
    label: str | None
    width: int
    height: int
    size: Annotated[int, Field(description="Bytes of the file.")]
    sha256: str
    added_at: datetime
    missing: Missing


class ModelOut(BaseModel):
    """The encoder, the size of the collection, and the limits of a request."""

    sha256: str
    dimension: int
    image_size: int
    card: dict[str, Any]
    items: int
    classes: Annotated[list[str], Field(description="Of the classifier, if there is one.")]
    limits: dict[str, float]


class Health(BaseModel):
    """The state of the service: alive or ready."""

    status: str


class ProblemOut(BaseModel):
    """The reason of a refusal (RFC 9457), with a remedy."""

    title: str
    status: int
    detail: str
    remedy: str = ""
