"""The way into a cluster of Ray: one that runs, or one of this machine alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from clr_search.errors import ClrSearchError, reason_of, require

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
    ClrSearchError
        If there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
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
        where = "on this machine" if address in (None, "auto") else f"at {address}"
        raise ClrSearchError(
            f"There is no cluster of Ray {where} that can be reached: {reason_of(error)}".rstrip(
                "."
            )
            + ".",
            _REMEDY,
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
