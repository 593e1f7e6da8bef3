"""`Arriving`: a generation that answers at once, while its structure is still on its way.

A large structure takes a second or more to be read, verified and loaded, the vectors a fraction of
that. So the first query, which may be the only one of a process, is answered by scoring all of
them, which is exact; the second begins the loading, in a thread of its own, and the structure
answers from then on that it is there. Many queries at once wait for it, since it is sooner there
than they were all scored.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from clr_search.files.own import OwnFolder
from clr_search.index.ann import generations
from clr_search.index.ann.base import SLACK, Ann, Scorer, Selector
from clr_search.index.ann.generations import Generation
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.neighbours import Neighbours

_LARGE = 64_000_000
"""Bytes of a structure from which on it arrives later: less is loaded in a tenth of a second."""

_FEW = 8
"""Queries at once that do not wait for the structure."""


class Arriving(Scorer):
    """The vectors of a generation, and the structure over them when it has come.

    Parameters
    ----------
    vectors : MappedVectors
        The N vectors of length D.
    load : callable
        Loads the structure; called once, in another thread.
    """

    def __init__(self, vectors: MappedVectors, load: Callable[[], Ann]) -> None:
        super().__init__(vectors)
        self._load = load
        self._asked = False
        self._here: Ann | None = None
        self._coming: Future[Ann] | None = None
        self._lock = Lock()

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        among: Selector | None = None,
        *,
        precise: bool = False,
    ) -> Neighbours:
        """Returns the nearest vectors of each query, by the structure as soon as it is there.

        Raises
        ------
        DamagedError
            If its file is missing, truncated or altered.
        """
        ann = self._here or self._structure(wait=len(queries) > _FEW)
        if ann is None:
            return self.exact(queries, k + SLACK, among, precise=precise)
        return ann.search(queries, k, among, precise=precise)

    def _structure(self, *, wait: bool) -> Ann | None:
        """Returns the structure; None while it is loaded and there is no need to wait for it."""
        with self._lock:
            begin, self._asked = wait or self._asked, True
            if self._coming is None and begin:
                pool = ThreadPoolExecutor(1, "structure")
                self._coming = pool.submit(self._load)
                pool.shutdown(wait=False)  # the thread ends when the structure is loaded
        if self._coming is None or not (wait or self._coming.done()):
            return None
        self._here = self._coming.result()
        return self._here


def opened(folder: OwnFolder, generation: Generation, dimension: int) -> Scorer:
    """Opens a generation: a small structure at once, a large one when it is needed.

    Parameters
    ----------
    folder : OwnFolder
        The collection.
    generation : Generation
        The generation that its catalogue names.
    dimension : int
        D, the length of its vectors.

    Raises
    ------
    DamagedError
        If a file is missing, truncated or altered; for a large structure, its vectors alone.
    """
    vectors = generations.vectors_of(folder, generation, dimension)
    if generation.bytes < _LARGE:
        return generations.load(folder, generation, vectors)
    return Arriving(vectors, lambda: generations.load(folder, generation, vectors))
