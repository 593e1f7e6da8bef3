"""A collection at a glance."""

from __future__ import annotations

import json
from pathlib import Path

from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search.info import info_of
from tests.index.made import clustered, write_vectors


def test_info_is_the_collection_at_a_glance(made: Path, pictures: Path, tiny_encoder: Path) -> None:
    with Index.open(made) as index:
        info = index.info()
        assert (info.count, info.skipped, info.dimension) == (36, 0, 16)
        assert (info.structure, info.generation, info.beside, info.recall) == (
            "exact",
            None,
            0,
            None,
        )
        assert info.encoder_name == "tiny"
        assert info.encoder_sha256 == index.encoder.sha256
        assert info.roots == (pictures,)
        assert info.latency_ms is not None
        assert 0 < info.latency_ms < 1000
        assert info.bytes_on_disk > tiny_encoder.stat().st_size
        assert json.loads(json.dumps(info.summary()))["path"] == str(made)


def test_of_a_collection_that_nobody_has_measured(tmp_path: Path) -> None:
    catalog = Catalog(write_vectors(tmp_path / "x.clr", clustered(5, 8)), writable=False)
    with catalog.reading():
        info = info_of(catalog)
    assert (info.count, info.dimension, info.encoder_name) == (5, 8, "none")
    assert (info.latency_ms, info.latency_p99_ms, info.tried) == (None, None, ())
