"""What the routes have in common: refusals, and names of files."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from clr_search.app.library.asked import Asked
from clr_search.errors import ClrSearchError, UsageError, shortened
from clr_search.web.problems import Problem

NEVER = {"cache-control": "no-store"}
"""The header of an answer that no browser keeps."""


async def message_of(request: Request) -> Asked:
    """Return the JSON that a browser has sent; raises `UsageError` where it is none."""
    try:
        return Asked(await request.json())
    except ValueError:
        raise UsageError("The message is no JSON.") from None


def name_of(request: Request) -> str:
    """Return the name of the file that a browser has sent; empty where it has none."""
    return shortened(unquote(request.headers.get("x-name", ""), errors="replace"), 200)


def refused(error: ClrSearchError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer for an error: 422 for a wrong request, else 404, as RFC 9457 has it."""
    wrong = isinstance(error, UsageError)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.NOT_FOUND
    return Problem(status, error.what, error.remedy or "", headers).response()


def attachment(name: str) -> dict[str, str]:
    """Return the header that lets a browser save an answer under a name (RFC 6266).

    Examples
    --------
    >>> attachment("Müll.jpg")
    {'content-disposition': "attachment; filename*=UTF-8''M%C3%BCll.jpg"}
    """
    safe = quote(name, safe="", errors="replace")
    return {"content-disposition": f"attachment; filename*=UTF-8''{safe}"}
