from __future__ import annotations

from pathlib import Path

from clr_search.app.about_tab import card_rows, collection_rows
from clr_search.contract.card import Card
from clr_search.index import IndexInfo


def test_a_collection_in_rows() -> None:
    exact = IndexInfo(
        path=Path("/c.clr"),
        count=4317,
        skipped=0,
        dimension=512,
        encoder_name="e",
        encoder_sha256="ab",
        roots=(Path("/a"), Path("/b")),
        structure="exact",
        generation=None,
        beside=4317,
        recall=None,
        latency_ms=0.412,
        bytes_on_disk=6_400_000,
    )
    rows = dict(collection_rows(exact))
    assert rows["Images"] == "4,317"
    assert rows["Left out"] == ""
    assert rows["Folders"] == "/a\n/b"
    assert rows["Recall@10"] == "1, exact"
    assert rows["Search time, median"] == "0.41 ms"
    assert rows["Generation"] == ""
    assert rows["On disk"] == "6.4 MB"


def test_a_card_in_rows() -> None:
    card = Card("tiny", 32, 16, "two convolutions", knn_accuracy=0.6312, loss="nt-xent")
    rows = dict(card_rows(card))
    assert rows["Sees"] == "the central square at 32 × 32 pixels"
    assert rows["kNN accuracy"] == "63.1 %"
    assert rows["Probe accuracy"] == rows["Epochs"] == rows["Exported by"] == ""
