"""`RayEngine`: files are embedded by a pool of encoders in a cluster, and results come back here.

The driver (this process) cuts the paths into parts, and Ray Data gives these to actors, one for
each core, or for each share of a GPU. What an actor or a node has not returned when it dies is
given to another one. Ray may so return a part twice; the driver takes each path once. Everything is
written by the driver alone.

A part whose actor has died is done file by file, so that a file of which its actor dies is told
from the others in its part: it is skipped, when it was begun twice on its own (`ledger`).
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from clr_search.distributed.cluster import connected, require_reachable
from clr_search.distributed.ledger import FATAL, Ledger
from clr_search.distributed.rows import failure_in, results_of
from clr_search.errors import ClrSearchError, UsageError, reason_of, shortened
from clr_search.images.isolation import DecodingLimits
from clr_search.serve.devices import CPU
from clr_search.serve.pipeline import Skipped

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder
    from clr_search.serve.pipeline import Embedded

PART = 256
"""Most files that an actor is given at a time: what is done again when it dies."""

MOST_FATAL = 32
"""Most files of which actors may die in a run: of more, it is hardly the files."""

_ERROR = re.compile(r"(?!ray\.)[\w.]+(Error|Exception): .")  # the last line of a traceback
_PARTS_EACH = 8  # at least so many parts for each actor, so that all end at about the same time
_LEAST = 16  # files of a part, which costs some milliseconds to give away
_FINEST = 0.0001  # the least share of a GPU, which Ray counts by


class RayEngine:
    """Embeds files in a cluster of Ray; a context manager, which leaves the cluster at its end.

    The cluster is joined when there is something to embed. Its machines need this package, and the
    files at the same paths: a file system that all have, or an object store.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of the head of a cluster, or ``"auto"``; this machine alone if not given.
    actors : int, optional
        Number of encoders; by default one for each core of the cluster, or as many as its GPUs have
        shares.
    limits : DecodingLimits, optional
        The most that decoding a picture may take.
    gpu_share : float, optional
        Share of a GPU that each encoder takes, at most 1; it then computes by CUDA, and on nothing
        else. Ray counts by ten-thousandths, and so are shares rounded down. The processors compute
        if not given.

    Raises
    ------
    MissingExtraError
        If the extra ``ray`` is not installed.
    UsageError
        If the number of actors or the share is out of range, or the address is none.
    ClrSearchError
        If nothing answers at the address.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        actors: int | None = None,
        limits: DecodingLimits | None = None,
        gpu_share: float | None = None,
    ) -> None:
        if actors is not None and actors < 1:
            raise UsageError(f"The number of actors is {actors}; it must be 1 or more.")
        if gpu_share is not None and not _FINEST <= gpu_share <= 1:
            raise UsageError(
                f"The share of a GPU is {gpu_share}; it must be from {_FINEST} to 1.",
                "Two encoders on each GPU take 0.5 each.",
            )
        require_reachable(address)
        self._address, self._actors = address, actors
        self._limits = limits or DecodingLimits()
        self._share = None if gpu_share is None else _rounded(gpu_share)
        self._stack = ExitStack()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def embed(self, encoder: Encoder, paths: Sequence[str]) -> Iterator[list[Embedded | Skipped]]:
        """Embed files; see `serve.pipeline.Embed`. The order is that in which they are done.

        A file of which its actor dies each time is skipped, with the reason `ledger.FATAL`.

        Raises
        ------
        ClrSearchError
            If the cluster cannot be joined or has no GPU for an encoder that is to have one, a part
            cannot be embedded by anyone, as where the package is missing on a machine, or actors
            die of more than `MOST_FATAL` files.
        """
        ray = self._stack.enter_context(connected(self._address))
        room = _room(ray.nodes(), self._share)
        left, fatal = dict.fromkeys(paths), 0
        for columns in _columns(
            list(left), encoder, self._actors or room, self._limits, self._share
        ):
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
            fatal += sum(isinstance(r, Skipped) and r.reason == FATAL for r in results)
            if fatal > MOST_FATAL:
                raise ClrSearchError(
                    f"Actors of the cluster have died of {fatal} files, which is hardly the files.",
                    "Look at the logs of Ray on its machines, and at their memory. What is done is "
                    "kept.",
                )
        if left:
            raise ClrSearchError(
                f"{len(left):,} of {len(paths):,} files have come back from no actor, such as "
                f"{next(iter(left))}.",
                "Run the same command again, which embeds only these.",
            )


def _rounded(share: float) -> float:
    """Return a share of a GPU as Ray counts it, rounded down so that as many fit as were meant.

    Examples
    --------
    >>> _rounded(0.3), _rounded(1 / 7)
    (0.3, 0.1428)
    """
    return math.floor(share * 10_000 + 1e-6) / 10_000


def _room(nodes: Iterable[Mapping[str, Any]], share: float | None) -> int:
    """Return how many actors the nodes of a cluster have room for.

    Raises
    ------
    ClrSearchError
        If each is to have a share of a GPU, and there is none.

    Examples
    --------
    >>> nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}]
    >>> _room(nodes, None), _room(nodes, 0.5), _room(nodes, 0.3)
    (8, 4, 6)
    """
    has = [node["Resources"] for node in nodes if node["Alive"]]
    if share is None:
        return max(1, sum(int(node.get("CPU", 0)) for node in has))
    each = int(1 / share + 1e-9)
    room = sum(min(int(node.get("CPU", 0)), int(node.get("GPU", 0)) * each) for node in has)
    if not room:
        raise ClrSearchError(
            "No machine of the cluster has a GPU, and a processor beside it.",
            "Ray finds GPUs when it is started on a machine; ray status shows them. Or leave out "
            "the share of a GPU: then the processors compute.",
        )
    return room


def _columns(
    paths: Sequence[str],
    encoder: Encoder,
    actors: int,
    limits: DecodingLimits,
    share: float | None,
) -> Iterator[dict[str, Any]]:
    """Yield the results of each part as columns, in the order in which they are done."""
    import ray.data
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from clr_search.distributed.actor import EmbeddingActor

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = max(_LEAST, min(PART, len(paths) // (actors * _PARTS_EACH)))
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    rows = [
        {"part": number, "paths": [os.fsencode(path) for path in part]}
        for number, part in enumerate(parts)
    ]
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Ray keeps it as long as this handle.
    ledger = ray.remote(num_cpus=0)(Ledger).options(scheduling_strategy=here).remote()
    device = CPU if share is None else "cuda"
    embedded = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        EmbeddingActor,
        fn_constructor_args=(encoder.model, limits, ledger, device),
        batch_size=1,  # one row, which is a part: with GPUs, Ray wants a number
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(parts))),
        num_cpus=1,
        num_gpus=share,
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
