"""Which negative is the semi-hard one."""

from __future__ import annotations

import math

import torch

from clr_search.train.losses.semi_hard import semi_hard_negative


def test_the_semi_hard_negative_is_the_nearest_that_is_farther_than_the_partner() -> None:
    inf = math.inf
    negatives = torch.tensor([[0.9, 0.4, 0.1, -inf], [0.9, 0.8, 0.7, -inf], [0.5, 0.2, -0.3, -inf]])
    found = semi_hard_negative(torch.tensor([0.5, 0.6, 0.5]), negatives)
    torch.testing.assert_close(found, torch.tensor([0.4, 0.7, 0.2]))
