"""Classes by the vote of the nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.knn_classifier import KnnClassifier
from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.knn import TEMPERATURE
from tests.index.made import Vectors, as_stored, write_vectors


def labelled(folder: Path, rows: Vectors, labels: list[str | None]) -> Path:
    collection = write_vectors(folder / "c.clr", rows)
    catalog = Catalog(collection, writable=True)
    with catalog.writing():
        for number, label in enumerate(labels, start=1):
            catalog.database.rows("UPDATE items SET label = ? WHERE id = ?", label, number)
    catalog.database.close()
    return collection


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Fifty pictures around each of two axes, and ten without a label between them."""
    generator = np.random.default_rng(1)
    axes = np.eye(8)[[0] * 50 + [1] * 50] + 0.15 * generator.normal(size=(100, 8))
    between = np.eye(8)[[0] * 10] + np.eye(8)[[1] * 10] + 0.1 * generator.normal(size=(10, 8))
    rows = np.concatenate([axes, between])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return labelled(tmp_path, as_stored(rows), ["a"] * 50 + ["b"] * 50 + [None] * 10)


def test_the_nearest_decide(two: Path) -> None:
    with Index.open(two) as index:
        verdicts = KnnClassifier(index).vote(np.eye(8, dtype=np.float32)[:2])
    assert [verdict.shares[0][0] for verdict in verdicts] == ["a", "b"]
    assert all(verdict.known for verdict in verdicts)
    assert sum(share for _, share in verdicts[0].shares) == pytest.approx(1)


def test_what_is_like_nothing_is_unknown(two: Path) -> None:
    far = -np.eye(8, dtype=np.float32)[:1]
    with Index.open(two) as index:
        verdict = KnnClassifier(index).vote(far)[0]
    assert verdict.known is False
    assert verdict.value is not None
    assert verdict.value < 0.5


def test_votes_weigh_by_likeness(two: Path) -> None:
    query = np.eye(8, dtype=np.float32)[:1] + 0.9 * np.eye(8, dtype=np.float32)[1:2]
    with Index.open(two) as index:
        verdict = KnnClassifier(index, neighbours=30).vote(query)[0]
        matches = [match for match in index.search_vector(query[0], 110) if match.label][:30]
    weights = {"a": 0.0, "b": 0.0}
    for match in matches:
        weights[match.label or ""] += np.exp(match.score / TEMPERATURE)
    for name, share in verdict.shares:
        assert share == pytest.approx(weights[name] / sum(weights.values()), rel=1e-3)


def test_no_more_vote_than_a_class_has_on_average(tmp_path: Path) -> None:
    rows = as_stored(np.eye(8))
    collection = labelled(tmp_path, rows, ["a"] * 4 + ["b"] * 2 + [None] * 2)
    with Index.open(collection) as index:
        assert KnnClassifier(index).neighbours == 3
        assert KnnClassifier(index, neighbours=2).neighbours == 2
        assert KnnClassifier(index).vote(np.empty((0, 8), np.float32)) == []


def test_pictures_without_a_label_take_no_vote_away(two: Path) -> None:
    """The ten that lie nearest have no label; the five nearest of the others vote."""
    between = (np.eye(8)[:1] + np.eye(8)[1:2]).astype(np.float32)
    with Index.open(two) as index:
        verdict = KnnClassifier(index, neighbours=5).vote(between)[0]
        voters = [match for match in index.search_vector(between[0], 110) if match.label][:5]
    assert {name for name, _ in verdict.shares} == {match.label for match in voters}
    assert verdict.value == pytest.approx(voters[0].score, abs=1e-3)


def test_a_few_labels_among_many_pictures_suffice(tmp_path: Path) -> None:
    """Six of 206 have a label: with the six nearest of all, hardly anything would have a vote."""
    generator = np.random.default_rng(0)
    rows = np.eye(8)[[0, 1] * 103] + 0.15 * generator.normal(size=(206, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    collection = labelled(tmp_path, as_stored(rows), ["a", "b"] * 3 + [None] * 200)
    with Index.open(collection) as index:
        verdicts = KnnClassifier(index).vote(as_stored(rows)[6:].astype(np.float32))
    named = [verdict.shares[0][0] for verdict in verdicts]
    assert named == ["a", "b"] * 100
    assert {verdict.known for verdict in verdicts} == {None}  # six are too few to tell


def test_from_19_labels_on_it_tells_what_is_of_no_class(tmp_path: Path) -> None:
    rows = as_stored(np.random.default_rng(0).normal(size=(60, 8)) + np.eye(8)[[0, 1] * 30])
    for count, known in ((18, None), (19, False)):
        folder = tmp_path / str(count)
        folder.mkdir()
        names = [*(["a", "b"] * 25)[:count], *[None] * (60 - count)]
        collection = labelled(folder, rows, names)
        with Index.open(collection) as index:
            verdict = KnnClassifier(index).vote(-np.eye(8, dtype=np.float32)[:1] * 9)[0]
        assert verdict.known is known


def test_about_as_many_are_unknown_as_was_meant(two: Path) -> None:
    """Two in a hundred of those with a label, were each not there itself."""
    with Index.open(two) as index:
        voters = KnnClassifier(index)
        rows = index.vectors()[1][:100]
        nearest = np.sort(rows @ rows.T, axis=1)[:, -2]
    assert voters.least is not None
    assert np.mean(nearest < voters.least) == pytest.approx(0.02, abs=0.011)


def test_one_class_is_no_choice(tmp_path: Path) -> None:
    rows = as_stored(np.eye(8)[:4])
    collection = labelled(tmp_path, rows, ["a", "a", None, None])
    with Index.open(collection) as index, pytest.raises(UsageError, match="of 1 classes"):
        KnnClassifier(index)
