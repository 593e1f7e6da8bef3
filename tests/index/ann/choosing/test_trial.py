"""What recall and time of a structure are: counted and timed as a slow search would."""

from __future__ import annotations

import numpy as np
import pytest

from clr_search.index.ann.choosing import trial
from clr_search.index.ann.choosing.trial import NEIGHBOURS, Trial, Truth
from clr_search.index.ann.structures import Structure, fill
from tests.index.ann.made import ROWS, kept


@pytest.mark.parametrize("probes", [1, 3, 64])
def test_recall_is_the_share_of_true_neighbours_that_are_found(probes: int) -> None:
    held = kept()
    index = fill(held, Structure(64, "Flat"))
    index.probes = probes
    truth = Truth.of(held, 0, 200)
    recall, first = Trial(index, truth).recall(truth.measured)
    rows, hits, nearest = held.rows(slice(None)), [], []
    for position in truth.positions[truth.measured]:
        scores = rows @ rows[position]
        scores[position] = -1
        true = np.argsort(-scores)[:NEIGHBOURS]
        found = index.candidates(rows[position][None], 11, index.scored_for(11), probes)[0][0]
        hits.append(np.isin(true, found).mean())
        nearest.append(true[0] in found)
    assert recall == pytest.approx(np.mean(hits), abs=1e-9)
    assert first == pytest.approx(np.mean(nearest), abs=1e-9)


def test_the_quickest_round_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    held = kept()
    measured = Trial(fill(held, Structure(64, "Flat")), Truth.of(held, 0, 200))
    clock = iter(np.concatenate([np.arange(128) * 0.5, 100 + np.arange(128) * 0.25]))
    monkeypatch.setattr(trial.time, "perf_counter", lambda: next(clock))
    assert measured.seconds(rounds=2) == 0.25


def test_the_positions_of_queries_are_no_neighbours_of_theirs() -> None:
    held = kept(ROWS[:300])
    truth = Truth.of(held, 1, 50)
    rows = held.rows(slice(None))
    exact = rows[truth.positions] @ rows.T
    exact[np.arange(50), truth.positions] = -1
    np.testing.assert_allclose(truth.scores, np.sort(exact, axis=1)[:, -NEIGHBOURS:], atol=1e-6)
