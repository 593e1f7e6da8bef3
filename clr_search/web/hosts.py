"""Checks of the `Host` and `Origin` headers that a server on this machine accepts."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from clr_search.errors import UsageError, shortened

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Listening addresses that only programs on this machine can reach."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """As what a server may be addressed, and which pages of other origins may address it.

    Attributes
    ----------
    hosts : frozenset of str
        Host names, in lower case and without port, besides IP addresses and `localhost`.
    origins : frozenset of str
        Origins of other pages that are answered, such as ``https://shop.example``.

    Examples
    --------
    >>> Names.of("Photos.local").hosts
    frozenset({'photos.local'})
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, host: str, more: Iterable[str] = (), origins: Iterable[str] = ()) -> Names:
        """Return the names of a server that listens on `host`.

        Raises
        ------
        UsageError
            If one of `more` is no host name, or one of `origins` no origin.
        """
        named = {host.strip("[]").lower(), *map(host_name, more)}
        return cls(frozenset(named - {""}), frozenset(map(origin_of, origins)))


def host_name(text: str) -> str:
    """Return a host name in lower case.

    Raises
    ------
    UsageError
        If it is none, or has a port or a path.

    Examples
    --------
    >>> host_name("Photos.example.org")
    'photos.example.org'
    """
    name = text.strip().lower().rstrip(".")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name.strip("[]")))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{shortened(text)} is no host name.",
            "Give the name alone, as in photos.example.org: no scheme, port or path.",
        )
    return name


def origin_of(text: str) -> str:
    """Return an origin as browsers write it: scheme, host, and port unless it is the usual one.

    Raises
    ------
    UsageError
        If it is none; a pattern such as ``*`` is none.

    Examples
    --------
    >>> origin_of("https://Shop.example:443")
    'https://shop.example'
    """
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    bare = not (parts.path or parts.query or parts.fragment or parts.username is not None)
    if parts.scheme not in {"http", "https"} or not host or not bare or "*" in host:
        raise UsageError(
            f"{shortened(text)} is no origin.",
            "Give scheme, host and port, as in https://shop.example or http://localhost:3000; "
            "each origin by an option of its own.",
        )
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in {None, usual} else f":{port}")


def root_path(text: str) -> str:
    """Return the path below which a proxy shows a server: empty, or with a slash before it only.

    Raises
    ------
    UsageError
        If it has other characters than those of plain paths.

    Examples
    --------
    >>> root_path("/photos/"), root_path("/")
    ('/photos', '')
    """
    path = "/" + text.strip("/")
    if path == "/":
        return ""
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise UsageError(
            f"{shortened(text)} is no path below which a server can be shown.",
            "Give one such as /photos, of letters, digits and - . _ ~ only.",
        )
    return path


def is_loopback(name: str) -> bool:
    """Whether a host name without port stands for this machine, whatever any resolver says.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("192.168.1.5")
    (True, True, False)
    """
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_trusted_host(header: str, hosts: Collection[str]) -> bool:
    """Whether a `Host` header names an IP address, `localhost`, or one of some names.

    Examples
    --------
    >>> is_trusted_host("192.168.1.5:8000", {"photos.local"})
    True
    >>> is_trusted_host("attacker.example", {"photos.local"})
    False
    """
    name = _name_in(f"//{header}")
    if name == "localhost" or name in hosts:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_origin(origin: str | None, host: str, names: Names | None = None) -> bool:
    """Whether a request has no `Origin` header, or one that names this `host` (with its port).

    Behind a proxy that puts its own host into the request, an origin whose host is among `names` is
    the server's own. So are those of other pages that may address the server.

    Examples
    --------
    >>> is_own_origin("http://localhost:8000", "localhost:8000")
    True
    >>> is_own_origin("http://attacker.example", "localhost:8000")
    False
    """
    names = names or Names()
    try:
        if origin is None or origin in names.origins or urlsplit(origin).netloc == host:
            return True
    except ValueError:
        return False
    name = _name_in(origin)  # no address, which pages of other ports on this machine have
    return is_trusted_host(host, ()) and name in names.hosts and not is_trusted_host(name, ())


def _name_in(url: str) -> str:
    """Return the host name in an address, in lower case; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""
