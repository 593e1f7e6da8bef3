"""Long texts are taken out of JSON, and mean what they meant in it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.server.messages.bodies import from_base64, parsed
from clr_search.server.messages.long_texts import LONG, MOST_BESIDE, LongTexts, _decoded
from clr_search.server.messages.schemas import ImagesIn, SearchIn
from clr_search.web.problems import Problem

BIG = 2**19


def files(body: bytes) -> list[bytes]:
    texts = LongTexts()
    images = parsed(ImagesIn, texts.taken_out(body)).images
    return [from_base64(text, "images", texts) for text in images]


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("sizes", [[BIG], [3, BIG, 5, BIG + 1], [LONG, LONG + 1, BIG + 2]])
def test_pictures_are_what_they_were(sizes: list[int], escaped: bool) -> None:
    """Some programs write every slash of base64 with a backslash before it."""
    made = [bytes((7 * at + size) % 256 for at in range(size)) for size in sizes]
    body = json.dumps({"images": [base64.b64encode(data).decode() for data in made]})
    assert files((body.replace("/", "\\/") if escaped else body).encode()) == made


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200_000), st.integers(0, 4), st.sampled_from(["", " ", "=", "*", "\\"]))
def test_decoding_piece_by_piece_is_decoding(data: bytes, times: int, wrong: str) -> None:
    whole = base64.b64encode(data * times)
    at = len(whole) // 2
    changed = whole[:at] + wrong.encode() + whole[at:]
    try:
        expected = base64.b64decode(changed.replace(b"\\/", b"/"), validate=True)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            _decoded(changed)
    else:
        assert _decoded(changed) == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=20) | st.just("a" * BIG) | st.just('\\"' * LONG), max_size=4))
def test_what_is_left_has_the_same_shape(texts: list[str]) -> None:
    body = json.dumps({"texts": texts, "more": "b" * BIG}).encode()
    left = json.loads(LongTexts().taken_out(body))
    assert len(left["texts"]) == len(texts)
    for text, original in zip(left["texts"], texts, strict=True):
        assert text == original or (len(json.dumps(original)) > LONG and len(text) > 4096)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"ids": [1], "filter": {"label": "' + b"a" * BIG + b'"}}', 422),
        (b'{"ids": [1], "' + b"a" * BIG + b'": 1}', 422),
        (b'{"ids": [1]' + b" " * MOST_BESIDE + b"}", 413),
        (b"[" + b'"",' * 100_000, 413),
        (b'{"image": "' + b'\\"' * 300_000 + b'"}', 413),
        (b'{"image": "' + b"\\" * 300_000 + b'"}', 413),
        (b'{"image": "' + b"a" * BIG, 422),
    ],
)
def test_what_is_no_picture_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as refused:
        parsed(SearchIn, LongTexts().taken_out(body))
    assert refused.value.status == status


@pytest.mark.parametrize("number", ["0", "-1", "99999999999", "x", ""])
def test_a_text_that_only_looks_like_one_that_stands_for_another_is_no_base64(number: str) -> None:
    texts = LongTexts()
    forged = texts.add(b"", encoded=False)[:-1] + number
    fields: dict[str, Any] = {"image": forged}
    message = parsed(SearchIn, json.dumps(fields).encode())
    assert message.image is not None
    with pytest.raises(Problem, match="no base64"):
        from_base64(message.image, "image", LongTexts())
