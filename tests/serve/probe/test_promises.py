"""What a probe says of itself is true on pictures that it has never seen: by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clr_search.serve.probe import fit_probe
from clr_search.serve.probe.few_shot import fit_shots
from clr_search.serve.probe.strangers import MOST_CLASSES, estimate_strangers
from clr_search.serve.probe.temperature import calibrate, calibration_error, scaled

pytestmark = pytest.mark.filterwarnings("error")


class World:
    """Classes of pictures from which as many as one likes can be drawn."""

    def __init__(self, classes: int, dimension: int, spread: float, seed: int) -> None:
        self._centres = np.random.default_rng(seed).normal(size=(classes, dimension))
        self._spread = spread

    def draw(
        self, each: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        y = np.repeat(np.arange(len(self._centres)), each)
        x = self._centres[y]
        x = x + generator.normal(size=x.shape) * self._spread
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


@pytest.mark.parametrize(
    ("each", "fitted_by", "classes", "spread"),
    [(10, fit_probe, 2, 0.9), (10, fit_probe, 3, 2.0), (5, fit_shots, 3, 1.5)],
)
def test_few_labels_promise_what_is_true(
    each: int, fitted_by: object, classes: int, spread: float
) -> None:
    """The mean promise is the mean truth, the intervals cover it, and 100 % is rarely promised."""
    world, generator = World(classes, 12, spread, seed=5), np.random.default_rng(0)
    promised, true, covered = [], [], []
    for _ in range(40):
        x, y = world.draw(each, generator)
        found = fitted_by(x, y)  # type: ignore[operator]
        new, answers = world.draw(300, generator)
        logits = new @ found.coefficients.T + found.intercept
        truth = float((logits.argmax(axis=1) == answers).mean())
        promised.append(found.accuracy)
        true.append(truth)
        covered.append(found.interval[0] <= truth <= found.interval[1])
    assert np.mean(promised) == pytest.approx(np.mean(true), abs=0.04)
    assert np.mean(covered) >= 0.9  # 95 % are meant; 40 draws deviate by 3.4


def test_a_temperature_that_makes_it_worse_is_not_applied() -> None:
    """Where probabilities are right already, a temperature of few pictures only adds noise."""
    generator = np.random.default_rng(0)
    applied = 0
    for _ in range(100):
        p = generator.dirichlet(np.ones(3), 40)
        y = (p.cumsum(axis=1) > generator.random((40, 1))).argmax(axis=1)
        found = calibrate(p, y)
        assert found.error <= found.uncalibrated
        assert found.uncalibrated == calibration_error(p, y)
        assert (found.temperature == 1) == (found.error == found.uncalibrated)
        applied += found.temperature != 1
    assert 0 < applied < 50


def test_a_temperature_that_helps_is_applied() -> None:
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(3), 500)
    y = (p.cumsum(axis=1) > generator.random((500, 1))).argmax(axis=1)
    found = calibrate(scaled(p, 0.3), y)  # much too certain
    assert found.temperature == pytest.approx(1 / 0.3, rel=0.2)
    assert found.error < found.uncalibrated / 2


@pytest.mark.parametrize(("each", "spread"), [(40, 0.5), (40, 1.0), (6, 0.7)])
def test_as_many_strangers_are_caught_as_is_estimated(each: int, spread: float) -> None:
    """Pictures of a class that was never there are refused about as often as was said."""
    estimates, caught = [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        world = World(7, 12, spread, seed)
        x, y = world.draw(each, generator)
        known = y < 6
        found = fit_probe(x[known], y[known])
        assert found.strangers is not None
        assert found.novelty is not None
        assert found.strangers.least <= found.strangers.caught <= found.strangers.most
        assert (found.strangers.classes, found.strangers.pictures) == (6, 6 * each)
        new, answers = world.draw(200, generator)
        estimates.append(found.strangers.caught)
        caught.append(float((found.novelty.of(new[answers == 6]) > 1).mean()))
    assert np.mean(estimates) == pytest.approx(np.mean(caught), abs=0.15)


def test_strangers_of_few_and_of_many_classes() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(12, 4)), np.arange(12) % 3
    assert estimate_strangers(x, y, np.zeros(12, bool)) is None  # 8 others set no threshold
    x, y = generator.normal(size=(120, 4)), np.arange(120) % 60
    found = estimate_strangers(x, y, np.zeros(120, bool))
    assert found is not None
    assert found.classes == MOST_CLASSES
