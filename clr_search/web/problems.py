"""Refusals as `application/problem+json` (RFC 9457); each has a reason and a remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from clr_search.errors import shortened
from clr_search.terminal import printable

MEDIA_TYPE = "application/problem+json"

_LONGEST = 500  # Characters of a sentence, which may quote what a client has sent.


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem.
    """The reason for which a request is refused, raised wherever it is noticed.

    Parameters
    ----------
    status : HTTPStatus
        Status of the answer.
    detail : str
        What is wrong with this request; it is shortened to 500 characters, as is `remedy`.
    remedy : str
        What to do next; empty where nothing can be done.
    headers : mapping
        Headers to add to the answer.

    Attributes
    ----------
    members : dict
        Further members of the body, for clients that look for what is wrong elsewhere; empty.

    Examples
    --------
    >>> Problem(HTTPStatus.NOT_FOUND, "There is no item 7.").body()[:37]
    b'{"title": "Not Found", "status": 404,'
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
        self.detail = shortened(detail, _LONGEST)
        self.remedy = shortened(remedy, _LONGEST)
        self.headers = dict(headers or {})
        self.members: dict[str, object] = {}

    def response(self) -> Response:
        """Return the HTTP answer."""
        return Response(self.body(), self.status.value, self.headers, MEDIA_TYPE)

    def page(self) -> Response:
        """Return the HTTP answer for a person in a browser: the same as a page of plain text."""
        lines = [f"{self.status.value} {self.status.phrase}", "", self.detail, self.remedy]
        body = printable("\n".join(lines)).rstrip() + "\n"
        return Response(body, self.status.value, self.headers, "text/plain; charset=utf-8")

    def body(self) -> bytes:
        """Return the body of the answer: a JSON object in UTF-8."""
        content = {
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }
        return json.dumps(content | self.members).encode()


def busy(detail: str = "Too many pictures are waiting already.") -> Problem:
    """Return the refusal (503) of a request that the service can probably answer soon.

    Examples
    --------
    >>> busy().headers
    {'retry-after': '1'}
    """
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, detail, "Send it again after 1 s.", {"retry-after": "1"}
    )
