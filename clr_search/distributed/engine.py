"""`RayEngine`: files are embedded by a pool of encoders in a cluster, and results come back here.

The driver (this process) cuts the paths into parts, and Ray Data gives these to actors, one for
each core. What an actor or a node has not returned when it dies is given to another one. Ray may so
return a part twice; the driver takes each path once. Everything is written by the driver alone.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from clr_search.distributed.cluster import connected, require_reachable
from clr_search.distributed.rows import failure_in, results_of
from clr_search.errors import ClrSearchError, UsageError, reason_of, shortened
from clr_search.images.isolation import DecodingLimits

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder
    from clr_search.serve.pipeline import Embedded, Skipped

PART = 256
"""Most files that an actor is given at a time: what is done again when it dies."""

_ERROR = re.compile(r"(?!ray\.)[\w.]+(Error|Exception): .")  # the last line of a traceback
_PARTS_EACH = 8  # at least so many parts for each actor, so that all end at about the same time
_LEAST = 16  # files of a part, which costs some milliseconds to give away


class RayEngine:
    """Embeds files in a cluster of Ray; a context manager, which leaves the cluster at its end.

    The cluster is joined when there is something to embed. Its machines need this package, and the
    files at the same paths: a file system that all have, or an object store.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of the head of a cluster, or ``"auto"``; this machine alone if not given.
    actors : int, optional
        Number of encoders; one for each core of the cluster by default.
    limits : DecodingLimits, optional
        The most that decoding a picture may take.

    Raises
    ------
    MissingExtraError
        If the extra ``ray`` is not installed.
    ClrSearchError
        If nothing answers at the address.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        actors: int | None = None,
        limits: DecodingLimits | None = None,
    ) -> None:
        if actors is not None and actors < 1:
            raise UsageError(f"The number of actors is {actors}; it must be 1 or more.")
        require_reachable(address)
        self._address, self._actors = address, actors
        self._limits = limits or DecodingLimits()
        self._stack = ExitStack()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def embed(self, encoder: Encoder, paths: Sequence[str]) -> Iterator[list[Embedded | Skipped]]:
        """Embed files; see `serve.pipeline.Embed`. The order is that in which they are done.

        Raises
        ------
        ClrSearchError
            If the cluster cannot be joined, or a part cannot be embedded by anyone, as where the
            package is missing on a machine.
        """
        ray = self._stack.enter_context(connected(self._address))
        actors = self._actors or max(1, int(ray.cluster_resources().get("CPU", 1)))
        left = dict.fromkeys(paths)
        for columns in _columns(list(left), encoder, actors, self._limits):
            try:
                failure = failure_in(columns)
                if failure is not None:
                    raise failure
                results = [r for r in results_of(columns) if str(r.path) in left]
            except (KeyError, TypeError, ValueError) as error:
                raise ClrSearchError(
                    f"An actor has answered nonsense: {reason_of(error)}.",
                    "Install the same version of clr-search on all machines of the cluster.",
                ) from error
            for result in results:
                del left[str(result.path)]
            if results:
                yield results
        if left:
            raise ClrSearchError(
                f"{len(left):,} of {len(paths):,} files have come back from no actor, such as "
                f"{next(iter(left))}.",
                "Run the same command again, which embeds only these.",
            )


def _columns(
    paths: Sequence[str], encoder: Encoder, actors: int, limits: DecodingLimits
) -> Iterator[dict[str, Any]]:
    """Yield the results of each part as columns, in the order in which they are done."""
    import ray.data

    from clr_search.distributed.actor import EmbeddingActor

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = max(_LEAST, min(PART, len(paths) // (actors * _PARTS_EACH)))
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    rows = [{"paths": [os.fsencode(path) for path in part]} for part in parts]
    embedded = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        EmbeddingActor,
        fn_constructor_args=(encoder.model, limits),
        batch_size=None,
        concurrency=min(actors, len(parts)),
        num_cpus=1,
    )
    try:
        yield from embedded.iter_batches(batch_size=None, batch_format="numpy")
    except ray.exceptions.RayError as error:
        raise _failure(error) from error


def _failure(error: Exception) -> ClrSearchError:
    """Return the error of a cluster as one of this package; Ray hands on whole tracebacks."""
    told = [line.strip() for line in str(error).splitlines() if _ERROR.match(line.strip())]
    return ClrSearchError(
        "The cluster could not embed a part of the files: "
        f"{shortened(told[-1] if told else reason_of(error), 300).rstrip('.')}.",
        "What is done is kept. All machines of the cluster need this package, of the same version, "
        "and the files at the same paths.",
    )
