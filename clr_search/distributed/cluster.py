"""The way into a cluster of Ray: one that runs, or one of this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from clr_search.errors import ClrSearchError, UsageError, reason_of, require, shortened

_PATIENCE = 5.0  # seconds that the head of a cluster may take to accept a connection

_REMEDY = (
    "Start one with: ray start --head, and on the other machines: ray start --address=HOST:6379; "
    "without --address, this machine alone is used."
)


@contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Connect to a cluster, and leave it at the end; without an address, one is started here.

    A program that is connected already stays so, whatever the address.

    Parameters
    ----------
    address : str or None
        ``HOST:PORT`` of its head, or ``"auto"`` for the cluster that this machine belongs to.

    Yields
    ------
    module
        ``ray``.

    Raises
    ------
    MissingExtraError
        If the extra ``ray`` is not installed.
    UsageError
        If the address is none.
    ClrSearchError
        If there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its files have the rest
    ray = require("ray", "ray")
    if ray.is_initialized():
        yield ray
        return
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init(include_dashboard=False, **options)
        else:
            ray.init(address=address, **options)
    except Exception as error:  # it raises errors of many kinds, of its own and of the system
        raise _unreachable(address, reason_of(error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def require_reachable(address: str | None) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes.

    Raises
    ------
    MissingExtraError, UsageError, ClrSearchError
        As `connected`.
    """
    require("ray", "ray")
    if address is None or address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UsageError(
            f"{shortened(address)} is no address of a cluster.", "It is HOST:PORT, or auto."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, getattr(error, "strerror", None) or reason_of(error)) from error


def _unreachable(address: str | None, why: str) -> ClrSearchError:
    """Return the error of a cluster that cannot be reached."""
    where = "on this machine" if address in (None, "auto") else f"at {address}"
    return ClrSearchError(
        f"There is no cluster of Ray {where} that can be reached: {why.rstrip('.')}.", _REMEDY
    )
