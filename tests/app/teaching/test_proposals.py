"""What is proposed to be labelled next."""

from __future__ import annotations

import numpy as np

from clr_search.app.teaching import proposals
from tests.app.teaching.test_ridge import blobs


def test_at_first_each_group_has_its_typical_picture() -> None:
    x, group = blobs((40, 25, 10, 5), 12, 0.15)
    chosen = proposals.propose(x, None, 4)
    assert sorted(group[chosen].tolist()) == [0, 1, 2, 3]
    assert group[chosen[0]] == 0  # the largest group first
    middle = x[group == 0].mean(axis=0)
    assert x[chosen[0]] @ middle >= np.quantile(x[group == 0] @ middle, 0.8)


def test_later_they_are_uncertain_typical_and_unlike_each_other() -> None:
    x, group = blobs((40, 40, 40), 12, 0.15)
    doubt = np.where(group == 2, 0.1, 0.9).astype(np.float32)
    chosen = proposals.propose(x, doubt, 6)
    assert set(group[chosen].tolist()) == {0, 1}
    odd = np.zeros((1, 12), np.float32)
    odd[0, 3] = -1  # like nothing else, and a little less certain
    chosen = proposals.propose(np.concatenate([x, odd]), np.append(doubt, np.float32(1)), 2)
    assert 120 not in chosen


def test_there_are_no_more_than_there_are() -> None:
    x, _ = blobs((2, 1), 4, 0.1)
    assert sorted(proposals.propose(x, None, 24).tolist()) == [0, 1, 2]
    assert len(proposals.propose(x, np.ones(3, np.float32), 24)) == 3
    nothing = np.zeros((0, 4), np.float32)
    assert len(proposals.propose(nothing, None, 24)) == 0
    assert len(proposals.propose(nothing, np.zeros(0, np.float32), 24)) == 0


def test_equal_pictures_are_each_proposed_once() -> None:
    x = np.tile(np.array([[1, 0]], np.float32), (9, 1))
    assert len(set(proposals.propose(x, None, 5).tolist())) == 5


def test_of_many_pictures_some_are_surveyed() -> None:
    drawn = proposals.drawn(10_000, 3)
    assert len(drawn) == proposals.SURVEYED
    assert (np.diff(drawn) > 0).all()
    assert len(proposals.drawn(5, 3)) == 5
