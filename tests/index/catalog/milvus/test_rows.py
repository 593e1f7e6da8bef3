"""Values of SQLite as JSON and back, and ids that JavaScript can hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.errors import ClrSearchError
from clr_search.index.catalog.milvus.rows import (
    IDS,
    label_number,
    number_of,
    packed,
    read,
    unpacked,
    written,
)

CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.binary(),
)


@given(st.lists(CELLS, max_size=8))
def test_cells_come_back_as_they_were(cells: list[object]) -> None:
    text = written([packed(cell) for cell in cells], "a test")  # type: ignore[arg-type]
    assert text.isascii()
    back = [unpacked(value) for value in read(text, "a test")]
    assert back == cells
    assert list(map(type, back)) == list(map(type, cells))


@given(CELLS, CELLS)
def test_ids_are_safe_whole_numbers_of_what_they_are_made_of(one: str, other: str) -> None:
    assert 0 <= number_of(one, other) < IDS
    assert json.loads(json.dumps(float(number_of(one)))) == number_of(one)
    assert number_of("", "a") != number_of("a", "") != label_number("a")


def test_what_is_too_long_or_damaged_is_named() -> None:
    with pytest.raises(ClrSearchError, match="What is known of item 3 takes 70,0"):
        written(["a" * 70_000], "item 3")
    for text in ("", "{}", "[1,"):
        with pytest.raises(ClrSearchError, match="photos is damaged"):
            read(text, "photos")
