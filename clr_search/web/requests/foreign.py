"""Which requests a page of another origin may have sent, told by their headers."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers

from clr_search.web.hosts import Names, is_own_origin, is_trusted_host


def refused_as_foreign(
    headers: Headers, names: Names, *, link: bool = False, any_host: bool = False
) -> HTTPStatus | None:
    """Return the status that refuses a request which a foreign page may have sent.

    Parameters
    ----------
    headers : Headers
        Headers of the request. An application may believe either copy of a repeated header.
        Therefore there must be exactly one `Host`, and every `Origin` and `Sec-Fetch-Site` must be
        the server's own, or the one `Origin` one that may address the server.
    names : Names
        Host names accepted besides IP addresses and `localhost`, and origins of other pages.
    link : bool
        Whether the request may be for a page that another page links to.
    any_host : bool
        Whether the host may be any, since nobody is answered without a login.

    Returns
    -------
    HTTPStatus or None
        421 for a host name that a page could make resolve to this machine (DNS rebinding), 403 for
        a page of another origin (cross-site request forgery), and None for a request to answer.

    Examples
    --------
    >>> own = Names.of("localhost")
    >>> refused_as_foreign(Headers({"host": "127.0.0.1:8000"}), own) is None
    True
    >>> int(refused_as_foreign(Headers({"host": "attacker.example"}), own))
    421
    >>> image = Headers({"host": "localhost", "sec-fetch-site": "cross-site"})
    >>> int(refused_as_foreign(image, own))
    403
    """
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not (any_host or is_trusted_host(hosts[0], names.hosts)):
        return HTTPStatus.MISDIRECTED_REQUEST
    if len(origins) == 1 and origins[0] in names.origins:
        return None
    if not all(is_own_origin(origin, hosts[0], names) for origin in origins):
        return HTTPStatus.FORBIDDEN
    own = set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}
    if own or (link and _opens_a_page(headers)):
        return None
    return HTTPStatus.FORBIDDEN


def _opens_a_page(headers: Headers) -> bool:
    """Whether a browser shows the answer as a page of its own, which no other page can read."""
    return headers.getlist("sec-fetch-mode") == ["navigate"] and headers.getlist(
        "sec-fetch-dest"
    ) == ["document"]
