"""Probes of a handful of pictures a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.contract.model_file import TOLERANCE, read_model
from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.serve import Encoder, Probe
from clr_search.serve.probe import fit_probe, save_probe
from clr_search.serve.probe.few_shot import FEW, PENALTY, fit_shots
from clr_search.serve.probe.novelty import LEFT_OUT
from tests.serve.probe.test_model import clusters

pytestmark = pytest.mark.filterwarnings("error")


def test_one_a_class_is_fitted_but_not_measured() -> None:
    found = fit_shots(*clusters(4, 1, spread=0.1))
    assert found.fitted == 4
    assert found.held_out == 0
    assert found.accuracy is found.interval is found.calibration_error is None
    assert found.uncalibrated_error is found.novelty is None
    assert found.temperature == 1
    vectors, labels = clusters(4, 1, spread=0.1)
    assert [found.classes[n] for n in found.estimator.classify(vectors)] == labels


def test_each_picture_is_classified_by_all_others() -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, labels = clusters(3, 4, spread=2.0)
    found = fit_shots(vectors, labels)
    assert (found.measured_by, found.held_out) == (LEFT_OUT, 12)
    right = 0
    for n in range(12):
        x, y = np.delete(vectors, n, axis=0).astype(float), np.delete(np.array(labels), n)
        scale = np.sqrt(((x - x.mean(axis=0)) ** 2).mean())
        plain = LogisticRegression(C=1 / (PENALTY * 11), class_weight="balanced", tol=1e-8)
        plain.fit((x - x.mean(axis=0)) / scale, y)
        right += plain.predict((vectors[n : n + 1] - x.mean(axis=0)) / scale)[0] == labels[n]
    assert found.accuracy == right / 12
    assert 0 < right < 12
    assert found.confusion.trace() == right


def test_labels_without_meaning_stay_at_chance() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(27, 50)).astype(np.float32)
    found = fit_shots(vectors, [f"{n % 3}" for n in range(27)])
    assert found.interval is not None
    assert found.interval[0] < 1 / 3


def test_one_alone_among_others_is_fitted_and_never_held_out() -> None:
    vectors, labels = clusters(3, 5, spread=0.1)
    found = fit_shots(vectors[:11], labels[:11])
    assert found.classes == ("class 0", "class 1", "class 2")
    assert (found.held_out, found.fitted, found.left_out) == (10, 11, ())
    assert found.confusion.sum(axis=1).tolist() == [5, 5, 0]
    assert found.novelty is None  # ten are too few


def test_enough_are_fitted_as_ever() -> None:
    vectors, labels = clusters(3, FEW, spread=1.0)
    assert np.array_equal(
        fit_shots(vectors, labels).coefficients, fit_probe(vectors, labels).coefficients
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [([None] * 4, "there are no labels"), (["rose", None, "rose", ""], "there is only rose")],
)
def test_one_class_is_no_choice(labels: list[str | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_shots(np.eye(4, dtype=np.float32), labels)


@pytest.mark.parametrize("each", [1, 2, 7])
def test_the_file(each: int, pictures: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    files = [file for file in find_images([pictures]) if int(file.path.stem[-2:]) < each]
    paths = [file.path for file in files]
    vectors = Encoder(tiny_encoder, threads=1).encode(paths)
    fitted = fit_shots(vectors, [file.label for file in files])
    out = save_probe(fitted, tiny_encoder, tmp_path / "probe.onnx")
    card, probe = read_model(out).card, Probe(out, threads=1)
    assert card.probe_accuracy == fitted.accuracy
    assert probe.tells_unknown == (each == 7)  # 21 pictures in turn
    assert card.novelty_method == ("leave one out" if each == 7 else "")
    expected = fitted.estimator.probabilities(vectors.astype(np.float64))
    assert np.abs(probe.predict_proba(paths) - expected).max() <= TOLERANCE
