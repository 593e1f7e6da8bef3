"""Checks of the `Host` and `Origin` headers that a server on this machine accepts."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Listening addresses that only programs on this machine can reach."""


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


def is_trusted_host(header: str, configured: str) -> bool:
    """Whether a `Host` header names an IP address, `localhost`, or the configured host.

    Examples
    --------
    >>> is_trusted_host("192.168.1.5:8000", "photos.local")
    True
    >>> is_trusted_host("attacker.example", "photos.local")
    False
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", configured}:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_origin(origin: str | None, host: str) -> bool:
    """Whether a request has no `Origin` header, or one that names this `host` (with its port).

    Examples
    --------
    >>> is_own_origin("http://localhost:8000", "localhost:8000")
    True
    >>> is_own_origin("http://attacker.example", "localhost:8000")
    False
    """
    try:
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
