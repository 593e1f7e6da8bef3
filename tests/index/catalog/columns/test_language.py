"""The language of conditions: what is read, and what errors say."""

from __future__ import annotations

import random

import pytest

from clr_search.errors import UsageError
from clr_search.index.catalog.columns.language import (
    MAX_DEPTH,
    MOST_CHARACTERS,
    MOST_LITERALS,
    Comparison,
    Group,
    parse,
)

KINDS = {
    "camera": "text",
    "width": "integer",
    "latitude": "real",
    "taken": "date",
    "my own": "text",
}


def test_words_bind_as_in_sql() -> None:
    found = parse("width > 1 or width < 5 and not (camera = 'a' or Camera is null)", KINDS)
    assert isinstance(found, Group)
    assert found.word == "OR"
    both = found.parts[1]
    assert isinstance(both, Group)
    assert [both.word, len(both.parts)] == ["AND", 2]
    inner = both.parts[1]
    assert isinstance(inner, Group)
    assert inner.word == "AND", "negated, an OR is an AND"
    assert all(isinstance(part, Comparison) and part.negated for part in inner.parts)
    quoted = parse("\"my own\" = 'it''s'", KINDS)
    assert isinstance(quoted, Comparison)
    assert quoted.literals[0].value == "it's"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it ends where a column is expected"),
        ("camra = 'a'", "there is no column camra"),
        ("camra = 'a'", "Did you mean camera? There are: camera, width, latitude, taken, my own."),
        ("width >", "it ends where a value is expected"),
        ("width = 'wide'", "width is a number, which 'wide' is not"),
        ("taken > 'soon'", "taken is a date, which 'soon' is not"),
        ("camera = X100", "Did you mean 'X100'?"),
        ("camera = 'X100", "a text has no end"),
        ("width LIKE '1%'", "width is no text, which LIKE needs"),
        ("width = 1 width = 2", "at character 11"),
        ("width = 1; DROP TABLE items", "';' has no meaning here"),
        ("(width = 1", "it ends where ) is expected"),
        ("width IN ()", "there is ) where a value is expected"),
        ("width = 1e999", "is a number, which '1e999' is not"),
        ("(" * 40 + "width = 1", f"nested {MAX_DEPTH} deep"),
        ("NOT " * 40 + "width = 1", f"nested {MAX_DEPTH} deep"),
        (f"width IN ({'1,' * MOST_LITERALS}1)", f"more than {MOST_LITERALS} values"),
        ("width = 1 " * MOST_CHARACTERS, "characters; the most is"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, what: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(text, KINDS)
    assert what in str(refusal.value)


def test_any_text_is_read_or_refused() -> None:
    words = (
        "width camera taken ( ) = != < IN LIKE IS NOT NULL AND OR 'a' 12 , -- ; \" ' \0 é".split(
            " "
        )
    )
    chance = random.Random(0)
    for _ in range(3000):
        text = " ".join(chance.choices(words, k=chance.randint(1, 12)))
        try:
            parse(text, KINDS)
        except UsageError:
            continue
