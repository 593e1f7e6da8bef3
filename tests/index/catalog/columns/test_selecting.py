"""Selections of items by SQL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError
from clr_search.images.metadata.exif import Exif
from clr_search.index import Index
from clr_search.index.catalog.columns import selecting, store
from clr_search.index.catalog.columns.compiling import Compiled


def test_a_date_of_exif_comes_before_that_of_the_file(tiny_encoder: Path, tmp_path: Path) -> None:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        vectors = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
        index.add_vectors(vectors, [f"{n}.jpg" for n in range(3)], root=tmp_path)
        with index._catalog.writing():  # the files of all have the time 0
            store.put_exif(index._catalog, [(1, Exif(taken=datetime(2024, 5, 1))), (2, Exif())])
        moment = datetime(2000, 1, 1)
        with index._catalog.reading():
            for comparison, ids in ((">=", [1]), ("<", [2, 3])):
                nanoseconds = int(moment.timestamp()) * 10**9
                found = selecting.dated(index._catalog, moment, nanoseconds, comparison)
                assert found.tolist() == ids
            assert Compiled(index._catalog, "taken = '2024-05'").ids().tolist() == [1]
            assert selecting.ids_of(index._catalog, "SELECT id FROM items").tolist() == [1, 2, 3]
            none = selecting.ids_of(index._catalog, "SELECT id FROM items WHERE id > 3")
            assert (none.tolist(), none.dtype) == ([], np.int64)
        with pytest.raises(ClrSearchError, match="damaged"), index._catalog.reading():
            selecting.ids_of(index._catalog, "SELECT 'x' AS id FROM items")
