"""What the routes have in common: refusals, and names of files."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from starlette.responses import Response

from clr_search.errors import ClrSearchError, UsageError
from clr_search.web.problems import Problem


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
