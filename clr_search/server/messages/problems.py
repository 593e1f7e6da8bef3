"""Refusals as `application/problem+json` (RFC 9457), with a remedy beside the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818  # the word of the standard
    """A request that is not answered.

    Parameters
    ----------
    status : HTTPStatus
        Of the answer.
    detail : str
        What is wrong with this request.
    remedy : str
        What to do next; empty where nothing can be done.
    headers : mapping
        Further headers.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        return Response(self.body(), self.status.value, self.headers, MEDIA_TYPE)

    def body(self) -> bytes:
        """The answer's body."""
        content = {
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }
        return json.dumps(content).encode()


def busy(detail: str = "Too many pictures are waiting already.") -> Problem:
    """The service cannot answer now, and can soon."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, detail, "Send it again after 1 s.", {"retry-after": "1"}
    )
