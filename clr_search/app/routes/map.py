"""The addresses of the map: places and classes of all pictures, as arrays of bytes.

An answer is the length of a header (uint32, little-endian), the header as JSON, and arrays one
after the other, each beginning at a multiple of 8 bytes. So a hundred thousand pictures are 800 kB,
and a browser reads them without a loop.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response
from numpy.typing import NDArray

from clr_search.app.library.asked import Asked, Search
from clr_search.app.overview.classes import OTHER, Classes
from clr_search.app.overview.grouped import MOST_GROUPS
from clr_search.app.routes.answers import NEVER, refused
from clr_search.errors import ClrSearchError, UsageError

if TYPE_CHECKING:
    from clr_search.app.overview.chart import Chart
    from clr_search.app.overview.overview import Overview

_WAIT = ClrSearchError("The map is not ready yet.", "Wait a moment.")

_MOST_JSON = 4096  # characters of a search in an address


def maps(overview: Overview) -> APIRouter:
    """Return the routes of the map; those of its colours need the map to be ready."""
    router = APIRouter()

    async def answered(make: Callable[[Chart], bytes]) -> Response:
        def made() -> bytes:
            chart = overview.chart.progress().result
            if chart is None:
                raise _WAIT
            return make(chart)

        try:
            data = await anyio.to_thread.run_sync(made)
        except ClrSearchError as error:
            return refused(error, NEVER)
        return Response(data, media_type="application/octet-stream", headers=NEVER)

    @router.get("/map/places")
    async def places() -> Response:
        return await answered(placed)

    @router.get("/map/label")
    async def label() -> Response:
        return await answered(lambda chart: coded(chart, chart.labels))

    @router.get("/map/folder")
    async def folder() -> Response:
        return await answered(lambda chart: coded(chart, chart.folders))

    @router.get("/map/group")
    async def group(groups: int = 0) -> Response:
        return await answered(lambda chart: coded(chart, grouped(overview, chart, groups)))

    @router.get("/map/score")
    async def score(search: str = "{}") -> Response:
        return await answered(lambda chart: scored(overview, chart, search))

    return router


def packed(header: dict[str, Any], *arrays: NDArray[Any]) -> bytes:
    """Return a header and arrays as the bytes of an answer.

    Examples
    --------
    >>> data = packed({"n": 1}, np.array([7, 8], np.uint8))
    >>> data[4:16], data[16:].hex()
    (b'{"n":1}     ', '0708000000000000')
    """
    words = json.dumps(header, separators=(",", ":")).encode()
    words += b" " * (-(len(words) + 4) % 8)
    parts = [len(words).to_bytes(4, "little"), words]
    for array in arrays:
        data = (array.byteswap() if sys.byteorder == "big" else array).tobytes()
        parts += [data, bytes(-len(data) % 8)]
    return b"".join(parts)


def placed(chart: Chart) -> bytes:
    """Return ids and places: uint32 (n,), or float64 where ids are larger, and uint16 (n, 2)."""
    small = int(chart.ids.max(initial=0)) < 2**32
    ids = chart.ids.astype(np.uint32 if small else np.float64)
    places = np.rint(chart.places * 65535).astype(np.uint16)
    kind = "uint32" if small else "float64"
    return packed({"token": chart.token, "count": len(ids), "ids": kind}, ids, places)


def coded(chart: Chart, classes: Classes) -> bytes:
    """Return the names of classes, and the code of each picture, uint8 (n,)."""
    header = {"count": len(chart.ids), "names": classes.names, "counts": classes.counts}
    return packed(header, classes.codes)


def grouped(overview: Overview, chart: Chart, count: int) -> Classes:
    """Return the groups of the pictures as classes.

    Raises
    ------
    ClrSearchError
        If they are not ready.
    """
    if not 0 <= count <= MOST_GROUPS:
        raise UsageError(f"There are at most {MOST_GROUPS} groups.")
    found = overview.groupings.progress(count).result
    if found is None:
        raise ClrSearchError("The groups are not ready yet.", "Wait a moment.")
    codes = np.full(len(chart.ids), OTHER, np.uint8)
    order = np.argsort(chart.ids)
    ids = chart.ids[order]
    names = []
    for number, group in enumerate(found.groups):
        at = np.minimum(np.searchsorted(ids, group.ids), len(ids) - 1)
        codes[order[at[ids[at] == group.ids]]] = number
        names.append(f"{number + 1} {group.label}".strip())
    return Classes(tuple(names), tuple(len(group.ids) for group in found.groups), codes)


def scored(overview: Overview, chart: Chart, search: str) -> bytes:
    """Return how like a query each picture is, uint8 (n,), 0 and 254 for `low` and `high`.

    Raises
    ------
    UsageError
        If the address has no query.
    """
    try:
        given = Search.of(Asked(json.loads(search[:_MOST_JSON])))
    except ValueError:
        raise UsageError("The search is no JSON.") from None
    if not given.terms:
        raise UsageError("There is no query.", "Search from a picture first.")
    scores = chart.scores(overview.library.direction(given))
    low, high = float(np.percentile(scores, 5)), float(scores.max())
    scaled = (scores - low) / max(high - low, 1e-6)
    codes = np.rint(np.clip(scaled, 0, 1) * 254).astype(np.uint8)
    header = {"count": len(codes), "low": round(low, 4), "high": round(high, 4)}
    return packed(header, codes)
