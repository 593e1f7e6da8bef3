"""Labels that are given to the items of a collection, instead of the names of their folders."""

from __future__ import annotations

from collections.abc import Mapping

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.catalog import Catalog


def label(catalog: Catalog, labels: Mapping[int, str] | None) -> None:
    """Give items labels by their ids, in one transaction; None gives them those of their folders.

    Raises
    ------
    UsageError
        If a label is no text, or empty.
    ClrSearchError
        If an id is not, or no longer, in the collection.
    """
    with catalog.writing():
        if labels is None:
            catalog.label_by_folder()
            return
        for name in labels.values():
            if not isinstance(name, str) or not name:
                raise UsageError(f"The label {name!r} is no text.", "Give text, or no label.")
        there = catalog.items(list(labels))
        for number in labels:
            if number not in there:
                raise ClrSearchError(f"{catalog.folder} has no item with the id {number}.")
        catalog.give_labels({number: str(name) for number, name in labels.items()})
