"""Temperature scaling and calibration error."""

from __future__ import annotations

import numpy as np
import pytest

from clr_search.serve.probe.temperature import (
    calibration_error,
    crossed_error,
    fit_temperature,
    scaled,
)


def drawn(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits), and the probabilities that a model says instead."""
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, (count, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return scaled(true, 1 / temperature), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_a_model_is_off_by_is_found(temperature: float) -> None:
    said, labels = drawn(temperature)
    assert fit_temperature(said, labels) == pytest.approx(temperature, rel=0.06)


def test_a_few_right_answers_are_no_certainty() -> None:
    p = np.tile([0.8, 0.2], (6, 1))
    assert 0.4 < fit_temperature(p, np.zeros(6, int)) < 1
    assert fit_temperature(np.tile(p, (100, 1)), np.zeros(600, int)) < 0.2


def test_scaling_makes_an_overconfident_model_honest() -> None:
    said, labels = drawn(3.0)
    assert calibration_error(said, labels) > 0.1
    assert crossed_error(said, labels) < 0.015


def test_scaling_is_softmax_of_divided_logits() -> None:
    p = np.array([[0.7, 0.2, 0.1]])
    expected = np.exp(np.log(p) / 2)
    np.testing.assert_allclose(scaled(p, 2), expected / expected.sum())
    np.testing.assert_allclose(scaled(p, 1), p)
    assert np.isfinite(scaled(np.array([[1.0, 0.0]]), 0.05)).all()


def test_the_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    y = np.array([0, 1, 0, 0])
    # At 0.9 half are right, at 0.6 all: (2 · 0.4 + 2 · 0.4) / 4.
    assert calibration_error(p, y) == pytest.approx(0.4)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0
    assert crossed_error(np.array([[0.8, 0.2]]), np.array([0])) == pytest.approx(0.2)
