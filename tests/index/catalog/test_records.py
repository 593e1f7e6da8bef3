"""Rows as values."""

from __future__ import annotations

import zlib
from dataclasses import FrozenInstanceError, astuple
from pathlib import Path

import pytest

from clr_search.index import Item, SkippedItem
from clr_search.index.catalog.records import Content


def test_an_item_knows_its_path() -> None:
    item = Item(1, Path("/p"), "red/a.png", "red", 3, 4, 5, 6, "aa", "2026-01-01T00:00:00+00:00")
    assert item.path == Path("/p/red/a.png")
    with pytest.raises(FrozenInstanceError):
        item.label = "blue"  # type: ignore[misc]


def test_content_gives_its_fields_in_their_order() -> None:
    content = Content(1, 2, "aa", 3, 4, b"x")
    assert content.values()[:-1] == astuple(content)[:-1]


def test_content_has_the_checksum_of_its_embedding_unless_one_is_given() -> None:
    assert Content(1, 2, "aa", 3, 4, b"x").values()[-1] == zlib.crc32(b"x")
    assert Content(1, 2, "aa", 3, 4, b"x", 5).values()[-1] == 5


def test_a_skipped_item_is_a_path_and_a_reason() -> None:
    assert SkippedItem(Path("a"), "empty") == SkippedItem(Path("a"), "empty")
