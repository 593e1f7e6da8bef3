"""`EmbeddingActor`: one encoder of the pool, in a process of its own on some machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clr_search.contract.model_file import ModelFile
from clr_search.distributed.ledger import FATAL, TRIES
from clr_search.distributed.rows import columns_of, columns_of_failure
from clr_search.errors import ClrSearchError, reason_of
from clr_search.files.stores.address import located
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.index.catalog.paths import status_of
from clr_search.index.catalog.records import time_of
from clr_search.serve.devices import CPU
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, Skipped, embed_files

_BATCH = 32
_REMEDY = (
    "Its machines with GPUs need the package onnxruntime-gpu in place of onnxruntime, and the CUDA "
    "and cuDNN that it was built for. Without a share of a GPU, the processors compute."
)


class EmbeddingActor:
    """Embeds the files of one part after the other; only paths reach it, and only vectors leave.

    It computes with one thread, since there is an actor for each core. Pictures are decoded in a
    process beside it, so that one that kills its decoder is skipped with its reason, like any that
    cannot be read, and never ends the actor.

    What it cannot do is returned as an error that ends the run, since Ray would have the part done
    again and again for an exception. Of a part whose actor has died, each file is done on its own.

    Parameters
    ----------
    model : ModelFile
        The model file of the encoder, which travels with it.
    limits : DecodingLimits
        The most that decoding a picture may take.
    ledger : actor handle
        The `Ledger` of all actors.
    device : str
        Where it computes, as `Encoder` names it. ``"cuda"`` is the GPU that Ray gives the actor.
    """

    def __init__(
        self, model: ModelFile, limits: DecodingLimits, ledger: Any, device: str = CPU
    ) -> None:
        self._ledger = ledger
        self._dimension = model.card.embedding_dim
        self._workers = DecodingWorkers(1, limits)
        self._encoder: Encoder | ClrSearchError
        try:
            self._encoder = Encoder(model, threads=1, device=device)
        except ClrSearchError as error:
            self._encoder = ClrSearchError(f"On {socket.gethostname()}: {error.what}", _REMEDY)

    def __call__(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return the results of a part, as `rows.columns_of`, or what ends the run.

        Parameters
        ----------
        part : mapping
            ``part``: its number, and ``paths``: a list of paths as bytes; of one row.
        """
        paths = [located(os.fsdecode(bytes(path))) for path in part["paths"][0]]
        number = int(part["part"][0])
        try:
            embed = self._singly if self._begin(number) else self._embed
            results = list(embed(paths))
            self._finish(number)
            return columns_of(results, self._dimension)
        except ClrSearchError as error:  # such as a store that does not answer
            return columns_of_failure(error, self._dimension)
        except Exception as error:  # noqa: BLE001  # whatever it is, all other parts have it too
            what = f"An actor on {socket.gethostname()} has failed: {reason_of(error)}."
            return columns_of_failure(ClrSearchError(what), self._dimension)

    def _embed(self, paths: Sequence[Path]) -> Iterator[Embedded | Skipped]:
        """Embed files; raises `ClrSearchError` where that is not possible at all."""
        if isinstance(self._encoder, ClrSearchError):
            raise self._encoder
        for batch in embed_files(
            self._encoder, paths, batch_size=_BATCH, workers=1, isolation=self._workers
        ):
            yield from batch

    def _singly(self, paths: Sequence[Path]) -> Iterator[Embedded | Skipped]:
        """Embed files one after the other, but for those of which actors have died."""
        for path in paths:
            if self._begin(str(path)) >= TRIES:
                yield _fatal(path)
                continue
            yield from self._embed([path])
            self._finish(str(path))

    def _begin(self, what: str | int) -> int:
        """Note that something is begun; returns how often it was before, and not finished."""
        import ray

        return int(ray.get(self._ledger.begin.remote(what)))

    def _finish(self, what: str | int) -> None:
        """Note that it is finished, before anything else is begun."""
        import ray

        ray.get(self._ledger.finish.remote(what))


def _fatal(path: Path) -> Skipped:
    """Return a file as one that ends processes; it is not tried again while it stays as it is."""
    status = status_of(str(path))
    size, mtime_ns = (0, 0) if status is None else (status.st_size, time_of(status))
    return Skipped(path, size, mtime_ns, FATAL)
