"""`Query`: everything that is asked of a collection in one search.

The command line, the HTTP service, its client and the app each build a `Query` and nothing else,
and get `Matches`. A new option of a search is a field here; `SearchOptions` names it as a keyword.
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
        Its unit vector.
    encoder : str
        SHA-256 of the encoder that made it.
    sha256 : str
        SHA-256 of the file, by which items of the same content are known to be the picture itself.
    """

    vector: NDArray[np.float32]
    encoder: str
    sha256: str


Picture = Union[Path, str, bytes, int, "Image", NDArray[np.uint8], Embedded]
"""A path, the bytes of a picture file, the id of an item, a Pillow image, a uint8 array (H, W, 3),
or a picture that has been embedded already."""


class SearchOptions(TypedDict, total=False):
    """Keywords of `Index.search` and `Client.search`; `Query` says what each of them means.

    `under` and `label` are short for a `Filter` with these, `where` is the filter, and `diverse` is
    the `diversity`.
    """

    like: Sequence[Picture]
    unlike: Sequence[Picture]
    under: str | None
    label: str | None
    where: Filter | Mapping[str, Any] | None
    include_self: bool
    diverse: float
    crop: Crop | None
    min_score: float | None
    min_percentile: float | None


_FIELDS = {"diverse": "diversity"}
"""Options that `Query` has under another name."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Query:
    """What is asked of a collection: a picture, items or a vector, and how to answer.

    Attributes
    ----------
    picture : Picture, optional
        The picture to search by.
    ids : sequence of int
        Items to search by; the mean of their vectors is sought.
    vectors : float array, shape (D,) or (Q, D), optional
        A vector to search by, or many, of any length but 0. Exactly one of `picture`, `ids` and
        `vectors` is given.
    like, unlike : sequence of Picture
        Pictures that the results should be more, or less, like: the search is for
        normalise(q + mean(like) − mean(unlike)), all vectors being of unit length (Rocchio's
        relevance feedback, with weights of 1).
    filter : Filter
        Conditions on the results.
    k : int
        How many results; fewer come back where there are fewer.
    diversity : float
        In [0, 1]: how much the results should differ from each other, by maximal marginal relevance
        among five times as many; see `ranking.spread_out`.
    crop : (left, top, width, height), optional
        Search by this part of the picture, given in fractions of its width and height.
    include_self : bool
        Keep items that are the query or one of `like`, by their path or else their content.
    exclude : sequence of int
        Items that are left out.
    min_score : float, optional
        Least cosine similarity of a result, in [-1, 1]; what a cosine means differs from encoder to
        encoder and from collection to collection.
    min_percentile : float, optional
        Least percentile of a result, in [0, 100]: the share of random pairs of the collection that
        are less alike. With 99.9, one random pair in a thousand is as alike as what is found.
        Where nothing reaches it, nothing in the collection is like the query.

    Raises
    ------
    UsageError
        If a value is out of its range, or there is not exactly one thing to search by.

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
        """The query that the keywords of `Index.search` stand for.

        Raises
        ------
        UsageError
            If two folders or two labels are asked for, or as `Query`.
        """
        query = cls(picture=picture, k=k)
        return query.refined(**options)

    def refined(self, **options: Unpack[SearchOptions]) -> Query:
        """The same query with these options; see `SearchOptions`.

        Raises
        ------
        UsageError
            As `by`.
        """
        where, under, label = options.get("where"), options.get("under"), options.get("label")
        changed: dict[str, Any] = {
            _FIELDS.get(name, name): value
            for name, value in options.items()
            if name not in {"where", "under", "label"}
        }
        conditions = joined(where or self.filter, under=under, label=label)
        return replace(self, filter=conditions, **changed)
