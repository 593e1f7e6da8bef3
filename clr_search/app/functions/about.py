"""The question of the About tab: facts about the collection, its encoder, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clr_search.app.functions.carried import Answer
from clr_search.app.library.asked import Asked
from clr_search.contract.card import Card

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.index import IndexInfo
    from clr_search.serve import Probe

LISTED = 200
"""Largest number of files that are listed; of the others, only the number is shown."""


class About:
    """The question of the tab.

    Parameters
    ----------
    library : Library
        The collection.
    probe : Probe or None
        The classifier that the app was started with.
    """

    def __init__(self, library: Library, probe: Probe | None) -> None:
        self._library, self._probe = library, probe

    def about(self, _: Asked) -> Answer:
        """Return tables of facts, and lists of files with the reasons."""
        with self._library.reading() as index:
            info, card = index.info(), index.encoder.card
            skipped = [(str(entry.path), entry.reason) for entry in index.skipped()]
            noted = [(str(entry.path), str(entry)) for entry in index.noted()]
        tables = [_table("Collection", collection_rows(info)), _table("Encoder", card_rows(card))]
        if self._probe:
            tables.append(_table("Classifier", probe_rows(self._probe)))
        return {
            "tables": tables,
            "lists": [
                {
                    "title": "Files that were left out",
                    "what": "They cannot be searched. Mend them, and run clr-search build-index.",
                    "count": len(skipped),
                    "rows": skipped[:LISTED],
                },
                {
                    "title": "Pictures that were read with a loss",
                    "what": "They can be searched, by what could be read of them.",
                    "count": len(noted),
                    "rows": noted[:LISTED],
                },
            ],
        }

    def missing(self, _: Asked) -> Answer:
        """Return how many pictures have no file any more, which looks at each of them."""
        with self._library.aside() as index:  # Files on a drive in a network may take long.
            return {"missing": index.missing()}


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
        ("On disk", size(info.bytes_on_disk)),
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


def _table(title: str, rows: list[tuple[str, str]]) -> Answer:
    """Return a table, without the facts that are not known."""
    return {"title": title, "rows": [row for row in rows if row[1]]}


def size(count: int) -> str:
    """Return a number of bytes with its unit, in powers of 1000.

    Examples
    --------
    >>> size(812), size(6_400_000)
    ('812 B', '6.4 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"
