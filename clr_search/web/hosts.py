"""Whom a server on this machine may be addressed as."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts to listen on that only this machine reaches."""


def is_trusted_host(header: str, configured: str) -> bool:
    """Whether a `Host` header names an IP address, `localhost`, or the configured host."""
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
    """Whether a request is of no page, or of one from this `host`, by its `Origin` header."""
    try:
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
