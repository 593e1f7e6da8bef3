"""All losses by name, and what they are made of, computed one by one in double precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from clr_search.train.losses.dcl import dcl
from clr_search.train.losses.margin import margin_triplet
from clr_search.train.losses.nt_logistic import nt_logistic
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.losses.objective import Objective

Loss = Callable[[Tensor, Tensor], Objective]

LOSSES: dict[str, Loss] = {
    "nt-xent": partial(nt_xent, temperature=0.3),
    "nt-xent tiled": partial(nt_xent, temperature=0.3, tile=3),
    "nt-xent dot": partial(nt_xent, temperature=2.0, normalise=False),
    "dcl": partial(dcl, temperature=0.3),
    "nt-logistic": partial(nt_logistic, temperature=0.3),
    "nt-logistic semi-hard": partial(nt_logistic, temperature=0.3, semi_hard=True),
    "margin": partial(margin_triplet, margin=0.4),
    "margin semi-hard": partial(margin_triplet, margin=0.4, semi_hard=True),
}


def slow_similarities(z1: Tensor, z2: Tensor, normalise: bool = True) -> list[list[float]]:
    """All 2N × 2N, one by one, in double precision."""
    z = [v.double() for v in (*z1, *z2)]
    if normalise:
        z = [v / v.norm() for v in z]
    return [[float(a @ b) for b in z] for a in z]


def slow_terms(z1: Tensor, z2: Tensor, normalise: bool = True) -> list[tuple[float, list[float]]]:
    """Of each view: similarity to its partner, and to all views of other images."""
    count, similarity = len(z1), slow_similarities(z1, z2, normalise)
    terms = []
    for i, row in enumerate(similarity):
        partner = (i + count) % (2 * count)
        terms.append((row[partner], [s for k, s in enumerate(row) if k not in (i, partner)]))
    return terms


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def slow_semi_hard(positive: float, negatives: list[float]) -> float:
    easier = [s for s in negatives if s < positive]
    return max(easier) if easier else min(negatives)
