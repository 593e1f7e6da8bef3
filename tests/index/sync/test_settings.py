"""What a collection keeps of how it is brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.index import Index


def test_a_selection_that_is_no_text_of_ours_is_damage(made: Path) -> None:
    index = Index.open(made, writable=True)
    index.select(exclude=["a"], follow_links=True)
    index.select(any_name=True)
    catalog = index._catalog
    with catalog.reading():
        kept = catalog.selection()
    assert (kept.exclude[-1], kept.follow_links, kept.any_name) == ("a", True, True)
    with catalog.database.writing():
        catalog.database.rows("UPDATE meta SET value = '{}' WHERE key = 'selection'")
    with pytest.raises(ClrSearchError, match="its selection is"), catalog.reading():
        catalog.selection()
    index.close()
