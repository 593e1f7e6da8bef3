"""`Query`: all arguments of one search of a collection.

The command line, the HTTP service, its client and the app each build a `Query` and nothing else,
and receive `Matches`. A new option of a search is a field here; `SearchOptions` names its keyword.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Union

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.images import Crop
from clr_search.index.catalog.filters import ALL, Filter, joined

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import Unpack


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A picture that has been embedded already, as by a service that embeds many at a time.

    Attributes
    ----------
    vector : float32 array, shape (D,)
        Unit vector of the picture.
    encoder : str
        SHA-256 of the encoder that made the vector.
    sha256 : str
        SHA-256 of the picture file, by which items of the same content are told.
    """

    vector: NDArray[np.float32]
    encoder: str
    sha256: str


Picture = Union[Path, str, bytes, int, "Image", NDArray[np.uint8], Embedded]
"""A path, the bytes of a picture file, the id of an item, a Pillow image, a uint8 array (H, W, 3),
or a picture that has been embedded already."""


class SearchOptions(TypedDict, total=False):
    """Keywords of `Index.search` and `Client.search`; `Query` describes each of them.

    `where` is the field `filter`, or a condition on columns as text, and `under` and `label` are
    short for a `Filter` with one condition. `diverse` is the field `diversity`.
    """

    like: Sequence[Picture]
    unlike: Sequence[Picture]
    under: str | None
    label: str | None
    where: Filter | Mapping[str, Any] | str | None
    include_self: bool
    diverse: float
    crop: Crop | None
    min_score: float | None
    min_percentile: float | None
    columns: Sequence[str]


_FIELDS = {"diverse": "diversity"}
"""Keywords whose field of `Query` has another name; both names are public, and stay."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Query:
    """A search: a picture, items or a vector to search by, and conditions on the results.

    Attributes
    ----------
    picture : Picture, optional
        The picture to search by.
    ids : sequence of int
        Ids of items to search by; the search is by the mean of their vectors.
    vectors : float array, shape (D,) or (Q, D), optional
        One vector to search by, or many, of any length but 0. Exactly one of `picture`, `ids` and
        `vectors` is given.
    like, unlike : sequence of Picture
        Pictures that the results should be more, or less, like: the search is for
        normalise(q + mean(like) − mean(unlike)), all vectors being of unit length (Rocchio's
        relevance feedback, with weights of 1).
    filter : Filter
        Conditions on the results.
    k : int
        The number of results, at least 1; fewer are returned if fewer items match.
    diversity : float
        Weight, in [0, 1], of the results differing from each other: they are chosen among five
        times as many, at most 2,000 or twice their number, by maximal marginal relevance
        (`ranking.spread_out`).
    crop : (left, top, width, height), optional
        The part of the picture to search by, in fractions of its width and height.
    include_self : bool
        Whether results may be the query itself or one of `like`: the items at their paths. Items
        elsewhere with the same content are results in any case, which `Matches.same` tells.
    exclude : sequence of int
        Ids of items that are left out.
    min_score : float, optional
        Least cosine similarity of a result, in [-1, 1]. The meaning of a cosine differs between
        encoders and between collections; that of a percentile does not.
    min_percentile : float, optional
        Least percentile of a result, in [0, 100]: the share of random pairs of the collection that
        are less alike. With 99.9, only one random pair in a thousand is as alike as each result.
        If no item reaches it, the result is empty: nothing in the collection is like the query.
    columns : sequence of str
        Names of columns whose values the results have, such as those of `Index.kinds`.

    Raises
    ------
    UsageError
        If a value is out of its range, or not exactly one of the three to search by is given.

    Examples
    --------
    >>> Query(ids=(3,), k=5, filter=Filter(label="coat")).k
    5
    """

    picture: Picture | None = None
    ids: Sequence[int] = ()
    vectors: NDArray[np.floating] | None = None
    like: Sequence[Picture] = ()
    unlike: Sequence[Picture] = ()
    filter: Filter = ALL
    k: int = 10
    diversity: float = 0.0
    crop: Crop | None = None
    include_self: bool = False
    exclude: Sequence[int] = ()
    min_score: float | None = None
    min_percentile: float | None = None
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        given = (self.picture is not None) + (self.vectors is not None) + (len(self.ids) > 0)
        if given != 1:
            raise UsageError(
                "A search is by one of a picture, items and a vector"
                + (", not by several at once." if given else ": none is given.")
            )
        if self.crop is not None and self.picture is None:
            raise UsageError("A crop is of a picture, and there is none.")
        if self.k < 1:
            raise UsageError(f"k is {self.k}; it must be 1 or more.")
        if not 0 <= self.diversity <= 1:
            raise UsageError(f"diverse is {self.diversity:g}.", "Choose a number from 0 to 1.")
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise UsageError(
                f"The least score is {self.min_score:g}.", "Choose a cosine from -1 to 1."
            )
        if self.min_percentile is not None and not 0 <= self.min_percentile <= 100:
            raise UsageError(
                f"The least percentile is {self.min_percentile:g}.",
                "Choose a number from 0 to 100.",
            )

    @classmethod
    def by(cls, picture: Picture | None, k: int = 10, **options: Unpack[SearchOptions]) -> Query:
        """Returns the query for the arguments of `Index.search`.

        Raises
        ------
        UsageError
            If the filter and a keyword name two folders or two labels, or as `Query`.

        Examples
        --------
        >>> query = Query.by("a.jpg", k=5, label="coat", diverse=0.3)
        >>> query.filter.label, query.diversity
        ('coat', 0.3)
        """
        query = cls(picture=picture, k=k)
        return query.refined(**options)

    def refined(self, **options: Unpack[SearchOptions]) -> Query:
        """Returns the same query with these keywords of `SearchOptions` changed.

        Raises
        ------
        UsageError
            If the filter and a keyword name two folders or two labels, or as `Query`.

        Examples
        --------
        >>> Query(ids=(3,)).refined(min_score=0.8).min_score
        0.8
        """
        if not options:
            return self
        where, under, label = options.get("where"), options.get("under"), options.get("label")
        changed: dict[str, Any] = {
            _FIELDS.get(name, name): value
            for name, value in options.items()
            if name not in {"where", "under", "label"}
        }
        conditions = joined(where or self.filter, under=under, label=label)
        return replace(self, filter=conditions, **changed)
