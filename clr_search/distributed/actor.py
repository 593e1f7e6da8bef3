"""`EmbeddingActor`: one encoder of the pool, in a process of its own on some machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from clr_search.contract.model_file import ModelFile
from clr_search.distributed.rows import columns_of, columns_of_failure
from clr_search.errors import ClrSearchError
from clr_search.files.stores.address import located
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import embed_files

_BATCH = 32


class EmbeddingActor:
    """Embeds the files of one part after the other; only paths reach it, and only vectors leave.

    It computes with one thread, since there is an actor for each core. Pictures are decoded in a
    process beside it, so that one that kills its decoder is skipped with its reason, like any that
    cannot be read, and never ends the actor: Ray would give it the same picture again.

    Parameters
    ----------
    model : ModelFile
        The model file of the encoder, which travels with it.
    limits : DecodingLimits
        The most that decoding a picture may take.
    """

    def __init__(self, model: ModelFile, limits: DecodingLimits) -> None:
        self._encoder = Encoder(model, threads=1, device="cpu")
        self._workers = DecodingWorkers(1, limits)

    def __call__(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return the results of a part, as `rows.columns_of`, or what ends the run.

        Parameters
        ----------
        part : mapping
            ``paths``: a list of paths as bytes, in each of its rows.
        """
        paths = [located(os.fsdecode(bytes(path))) for row in part["paths"] for path in row]
        batches = embed_files(
            self._encoder, paths, batch_size=_BATCH, workers=1, isolation=self._workers
        )
        try:
            results = [result for batch in batches for result in batch]
        except ClrSearchError as error:  # such as a store that does not answer
            return columns_of_failure(error, self._encoder.dimension)
        return columns_of(results, self._encoder.dimension)
