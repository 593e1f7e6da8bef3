"""The address from which the list of copies that could go is taken.

All files of the list are read, which may take minutes. So the answer is a line of JSON for every
few groups, with how far it is; the last line has the file.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from clr_search.app.functions.copies import KINDS, MOST_PLACE, ordered
from clr_search.app.library.asked import MOST_CHOSEN, Asked
from clr_search.app.library.copies import CopySearch, said_of
from clr_search.app.routes.answers import message_of, refused
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.analysis.exchange.copies_out import Form, Marked

FORMS: Mapping[str, str] = {"text": "copies.txt", "csv": "copies.csv", "script": "copies.sh"}
"""Names of the files, by what they hold."""

MOST_LEFT_OUT = 200
"""Largest number of files for which the page says why they are left out."""

_EVERY = 0.3  # seconds between two lines on how far it is


def copies(search: CopySearch, collection: str) -> APIRouter:
    """Return the route of the list."""
    router = APIRouter()
    one = threading.Lock()

    @router.post("/copies")
    async def listed(request: Request) -> Response:
        try:
            asked = await message_of(request)
            form = asked.choice("form", tuple(FORMS))
            groups = await anyio.to_thread.run_sync(marked, search, asked)
        except ClrSearchError as error:
            return refused(error)
        lines = _alone(one, cast("Form", form), groups, collection)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return router


def marked(search: CopySearch, asked: Asked) -> list[Marked]:
    """Return the groups of which something could go, marked as proposed or as a person says.

    Groups that are remembered as no copies, or as all to be kept, are not among them.

    Raises
    ------
    ClrSearchError
        If copies have been searched for anew, or nothing could go.
    """
    from clr_search.analysis.exchange.copies_out import Marked

    found = search.of(asked.count("search", 0, 2**53, 0)).duplicates.groups
    own = {
        part.count("place", 0, MOST_PLACE, 0): part.items("go")
        for part in asked.parts("marks", MOST_CHOSEN)
    }
    places, dismissed = ordered(found, asked.choice("kind", KINDS), "most"), search.dismissed()
    groups = []
    for place in places:
        group = found[place]
        said = said_of(group, dismissed)
        go = own.get(place)
        if go is None:
            go = [copy.item.id for copy in group.copies if not copy.keep]
        left = [item for item in go if item not in said]
        if left:
            groups.append(Marked.of(group, left))
    if not groups:
        raise ClrSearchError("Nothing is marked to go.", "Mark some pictures in the groups.")
    return groups


def _alone(
    one: threading.Lock, form: Form, groups: Sequence[Marked], collection: str
) -> Iterator[str]:
    """Yield the lines of an answer, of which only one at a time reads the disk."""
    if not one.acquire(blocking=False):
        error = {"what": "Another list is being checked.", "remedy": "Try again when it is done."}
        yield json.dumps({"error": error}) + "\n"
        return
    try:
        for line in lines(form, groups, collection):
            yield json.dumps(line) + "\n"
    finally:
        one.release()


def lines(form: Form, groups: Sequence[Marked], collection: str) -> Iterator[dict[str, Any]]:
    """Yield how far the check of the files is, and at last the file, in base64."""
    from clr_search.analysis.exchange.copies_out import checking, written

    going, left = [], []
    said = time.monotonic()
    for number, (could_go, left_out) in enumerate(checking(groups), start=1):
        going += could_go
        left += left_out
        if time.monotonic() - said >= _EVERY:
            said = time.monotonic()
            yield {"done": number, "total": len(groups)}
    data = written(form, going, collection, datetime.now().strftime("%Y-%m-%d"))
    yield {
        "name": FORMS[form],
        "count": len(going),
        "frees": sum(each.frees for each in going),
        "left_out": len(left),
        "why": [
            [str(each.path).encode("utf-8", "replace").decode(), each.why]
            for each in left[:MOST_LEFT_OUT]
        ],
        "data": base64.b64encode(data).decode("ascii"),
    }
