"""Comparisons of a collection's pictures, with each decoded as seldom as memory allows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from bench.drawn import DRAWN
from clr_search.analysis import verification
from clr_search.analysis.candidates import Candidate, Look, Pixels
from clr_search.analysis.verification import Comparisons


@pytest.fixture
def pages() -> list[Pixels]:
    return [np.asarray(DRAWN["forms"](number, 2).convert("RGB")) for number in range(5)]


def linked(pages: list[Pixels]) -> tuple[list[list[int]], Counter[int]]:
    decoded: Counter[int] = Counter()

    def decode(position: int) -> Pixels:
        decoded[position] += 1
        return pages[position]

    looked = {position: Look.of(page) for position, page in enumerate(pages)}
    comparisons = Comparisons(decode, looked, lambda one, other: False)
    pairs = [Candidate(a, b, None) for a in range(len(pages)) for b in range(a + 1, len(pages))]
    advanced: list[None] = []
    groups = comparisons.linked(pairs, lambda: advanced.append(None))
    assert len(advanced) == len(pairs)
    return groups, decoded


def test_pages_of_one_layout_are_decoded_once(pages: list[Pixels]) -> None:
    groups, decoded = linked([*pages, pages[1]])
    assert groups == [[1, 5]]
    assert set(decoded.values()) == {1}


def test_little_memory_costs_time_only(
    pages: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_HELD", 1)
    groups, decoded = linked([*pages, pages[1]])
    assert groups == [[1, 5]]
    assert max(decoded.values()) > 1


@pytest.mark.parametrize("turn", Image.Transpose)
def test_a_turned_sign_is_another_sign(turn: Image.Transpose) -> None:
    sign = np.asarray(DRAWN["icons"](4, 1))
    turned = np.asarray(DRAWN["icons"](4, 1).transpose(turn))
    looked = {0: Look.of(sign), 1: Look.of(turned)}
    back = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }.get(turn, turn)
    comparisons = Comparisons([sign, turned].__getitem__, looked, lambda one, other: False)
    assert comparisons.proof(0, 1, [back]) is None
