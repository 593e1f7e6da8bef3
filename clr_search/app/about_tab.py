"""The About tab: facts about the collection, its encoder and classifier, and skipped files."""

from __future__ import annotations

from clr_search.app import fragments
from clr_search.app.explorer import Explorer
from clr_search.contract.model_file import Card
from clr_search.index import IndexInfo
from clr_search.serve import Probe

SKIPPED_SHOWN = 200
"""Largest number of skipped files that are listed; of the others, only the number is shown."""


def about(explorer: Explorer, probe: Probe | None) -> str:
    """Return the HTML of the tab for the present state of the collection."""
    info, card, skipped = explorer.about()
    rows = [(str(path), reason) for path, reason in skipped[:SKIPPED_SHOWN]]
    left_out = fragments.listing(
        f"Left out: {fragments.files_count(len(skipped))}",
        ("File", "Reason"),
        rows,
        len(skipped) - len(rows),
    )
    left = fragments.facts("Collection", collection_rows(info))
    if probe:
        left += fragments.facts("Classifier", probe_rows(probe))
    right = fragments.facts("Encoder", card_rows(card))
    return fragments.columns(left, right, left_out)


def collection_rows(info: IndexInfo) -> list[tuple[str, str]]:
    """Return names and values of the facts about a collection; unknown values are empty."""
    beside = info.beside if info.generation is not None else 0
    return [
        ("Images", f"{info.count:,}"),
        ("Left out", f"{info.skipped:,}" if info.skipped else ""),
        ("Folders", "\n".join(str(root) for root in info.roots)),
        ("Structure", info.structure),
        ("Recall@10", "1, exact" if info.recall is None else f"{info.recall:.3f}, measured"),
        ("Search time, median", "" if info.latency_ms is None else f"{info.latency_ms:.2f} ms"),
        ("Embedding length", str(info.dimension)),
        ("Generation", "" if info.generation is None else str(info.generation)),
        ("Newer, searched beside it", f"{beside:,}" if beside else ""),
        ("On disk", fragments.size(info.bytes_on_disk)),
    ]


def card_rows(card: Card) -> list[tuple[str, str]]:
    """Return names and values of the facts about an encoder; unknown values are empty."""
    loss = card.loss
    if loss and card.temperature:
        loss += f", temperature {card.temperature:g}"
    return [
        ("Name", card.name),
        ("Architecture", card.architecture),
        ("Method", card.method),
        ("Loss", loss),
        ("Trained on", card.training_data),
        ("Began from", card.initial_weights),
        ("Epochs", f"{card.epochs:,}" if card.epochs else ""),
        ("Sees", f"the central square at {card.image_size} × {card.image_size} pixels"),
        ("kNN accuracy", _share(card.knn_accuracy)),
        ("Probe accuracy", _share(card.probe_accuracy)),
        ("Embedding", card.descriptor),
        ("Precision", card.precision),
        ("Licence", card.licence),
        ("Exported by", card.package_version and f"clr-search {card.package_version}"),
        ("Weights, SHA-256", card.weights_sha256),
    ]


def probe_rows(probe: Probe) -> list[tuple[str, str]]:
    """Return names and values of the facts about a classifier; unknown values are empty."""
    return [
        ("Classes", ", ".join(probe.classes)),
        ("Accuracy, held-out", _share(probe.card.probe_accuracy)),
        ("Its own pictures refused", _share(probe.card.novelty_refused)),
    ]


def _share(value: float | None) -> str:
    """Return a fraction as a percentage; an empty text for None."""
    return "" if value is None else f"{value * 100:.1f} %"
