"""What programs may ask, whichever way they ask it: the functions of the page, as plain calls."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from clr_search.app.functions.carried import Answer
from clr_search.app.functions.classify import Classifying
from clr_search.app.functions.copies import Copies
from clr_search.app.functions.groups import Groups
from clr_search.app.functions.label import Labelling
from clr_search.app.functions.map import Mapping
from clr_search.app.functions.search import Searching
from clr_search.app.library.asked import Asked
from clr_search.app.parts import Parts
from clr_search.app.routes.exports import sheet
from clr_search.errors import ClrSearchError, UsageError

MOST = 500
"""Largest number of results of one call."""

MOST_PLACES = 100_000
"""Largest number of pictures of the map of one call."""

MOST_ON_SHEET = 60
"""Largest number of pictures on one contact sheet, which a model still tells apart."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What results have to meet.

    Attributes
    ----------
    label, folder, condition : str
        A label, a folder, and a condition on columns; empty for any.
    """

    label: str = ""
    folder: str = ""
    condition: str = ""


class Actions:
    """The calls; each checks its values as those of a browser are checked, and gives plain JSON.

    Parameters
    ----------
    parts : Parts
        The parts of the page.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._searching = Searching(parts.library, parts.permissions)
        self._labelling = Labelling(parts.teacher, parts.finishing, parts.permissions)
        self._classifying = Classifying(parts.teacher, parts.finishing, parts.probe)
        self._copies = Copies(parts.library, parts.permissions, parts.copies)
        self._groups, self._mapping = Groups(parts.overview), Mapping(parts.overview)

    def overview(self) -> Answer:
        """Return the number of pictures, and the labels, folders and columns to filter by."""
        return self._searching.offers(Asked({}))

    def search(
        self,
        items: list[int],
        without: list[int],
        upload: str,
        count: int,
        conditions: Conditions,
    ) -> list[dict[str, Any]]:
        """Return rows of the pictures most like some, and unlike others, the nearest first."""
        terms: list[dict[str, Any]] = [{"id": number} for number in items]
        terms += [{"id": number, "weight": -1.0} for number in without]
        if upload:
            terms.append({"upload": upload})
        asked = {
            "terms": terms,
            "label": conditions.label,
            "under": conditions.folder,
            "where": conditions.condition,
        }
        found = self._searching.find(
            Asked({"search": asked, "count": min(max(1, int(count)), MOST)})
        )
        rows: list[dict[str, Any]] = found["rows"]
        return rows

    def picture(self, item: int) -> Answer:
        """Return all about a picture of the collection."""
        return self._searching.item(Asked({"id": item}))

    def classify(self, item: int | None, upload: str) -> Answer:
        """Return the classes of a picture, by the classifier given, or else by the labels."""
        term = {"upload": upload} if upload else {"id": item}
        by = "given" if self._parts.probe is not None else "labels"
        return self._classifying.classify(Asked({"term": term, "by": by}))

    def label(self, items: list[int], label: str) -> Answer:
        """Give pictures a label; an empty one takes theirs away."""
        return self._labelling.label(Asked({"changes": [{"ids": items, "label": label}]}))

    def proposals(self, count: int) -> list[dict[str, Any]]:
        """Return rows of the pictures whose labels would teach most."""
        rows: list[dict[str, Any]] = self._labelling.proposals(Asked({"count": count}))["rows"]
        return rows

    def copies(self, begin: bool, offset: int, count: int) -> Answer:
        """Return how far the search for copies is, and some of the groups once it is done."""
        asked = Asked({})
        state = self._copies.copies_begin(asked) if begin else self._copies.copies(asked)
        if state["found"] is None or state["doing"] is not None:
            return {**state, "groups": []}
        number = state["found"]["search"]
        page = Asked({"search": number, "offset": offset, "count": count})
        return {**state, **self._copies.copies_groups(page)}

    def groups(self) -> Answer:
        """Return the groups of like pictures, or how far they are."""
        return self._groups.groups(Asked({}))

    def places(self, offset: int, count: int) -> Answer:
        """Return places of some pictures on the map, or how far it is."""
        asked = Asked({"offset": offset, "count": count})
        first = asked.count("offset", 0, 2**53, 0)
        part = slice(first, first + asked.count("count", 1, MOST_PLACES, 1))
        told = self._mapping.chart(Asked({}))
        chart = self._parts.overview.chart.progress().result if told["ready"] else None
        if chart is None:
            return {**told, "ids": [], "places": []}
        at = chart.places[part].astype(float).round(5)
        return {**told, "ids": chart.ids[part].tolist(), "places": at.tolist()}

    def sheet(self, items: list[int]) -> bytes:
        """Return a JPEG with the thumbnails of pictures beside each other, their ids below.

        Raises
        ------
        UsageError
            If there are none, or too many.
        """
        ids = Asked({"ids": items}).items()
        if not 0 < len(ids) <= MOST_ON_SHEET:
            raise UsageError(
                f"A contact sheet has 1 to {MOST_ON_SHEET} pictures, not {len(ids):,}.",
                "Name other ids.",
            )
        with self._parts.library.reading() as index:
            known = index.known_items(ids)
        if not known:
            raise ClrSearchError("None of these pictures is in the collection.", "Search again.")
        found = [known[number] for number in ids if number in known]
        return sheet(self._parts.tiles, found, named=lambda item: f"{item.id}: {item.path.name}")

    def brought(self, picture: str) -> str:
        """Keep a picture for a while that comes as base64; return its token, empty for none.

        Raises
        ------
        UsageError
            If it is no base64.
        ImageError
            If it is no picture.
        """
        if not picture:
            return ""
        text = picture.partition(";base64,")[2] if picture.startswith("data:") else picture
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(
                "The picture is no base64.", "Send the bytes of its file, encoded as base64."
            ) from error
        return self._parts.library.brought(data, "Your picture").token
