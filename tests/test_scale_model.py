"""The model of large collections, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.scale_model import FILES_MB, Cluster, bytes_of, check, needed, table

CLUSTER = Cluster(8, 16, 10.0)


@pytest.mark.parametrize("pixels", ["small", "photos"])
def test_the_page_has_the_tables_of_the_model(pixels: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "scale.md").read_text("utf-8")
    assert "\n".join(table(pixels, CLUSTER)) in page  # type: ignore[arg-type]
    assert "\n".join(check()) in page


def test_the_size_of_a_collection_is_as_measured() -> None:
    for (items, length), measured in FILES_MB.items():
        assert bytes_of(items, length) / 1e6 == pytest.approx(measured, rel=0.05)


def test_more_nodes_shorten_what_is_shared_and_nothing_else() -> None:
    one, two = (needed(10**8, "small", Cluster(nodes, 16, 10.0)) for nodes in (4, 8))
    assert one.hours == pytest.approx(2 * two.hours)
    assert (one.core_hours, one.written_hours) == (two.core_hours, two.written_hours)
    assert two.first == "the one writer of Milvus"
