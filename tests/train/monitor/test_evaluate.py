"""kNN accuracy against a loop in plain Python."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.train.data.collection import Collection
from clr_search.train.data.decode import decode_collection
from clr_search.train.monitor import evaluate
from clr_search.train.monitor.evaluate import (
    features,
    knn_accuracy,
    knn_accuracy_on,
    linear_accuracy_on,
    measurable,
)
from clr_search.train.network.model import build_encoder
from clr_search.train.settings.config import TrainConfig


def slow_knn(vectors: list[list[float]], labels: list[int], k: int) -> float:
    right = 0
    for i, query in enumerate(vectors):
        similar = sorted(
            (
                (sum(a * b for a, b in zip(query, other, strict=True)), labels[j])
                for j, other in enumerate(vectors)
                if j != i
            ),
            reverse=True,
        )
        votes: dict[int, float] = {}
        for similarity, label in similar[:k]:
            votes[label] = votes.get(label, 0) + math.exp(similarity / 0.1)
        right += max(votes, key=votes.__getitem__) == labels[i]
    return right / len(vectors)


@pytest.mark.parametrize(("count", "classes"), [(30, 3), (50, 7), (12, 2)])
@pytest.mark.parametrize("block", [5, 256])
def test_equals_the_slow_loop(
    count: int, classes: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "_BLOCK", block)
    generator = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, 4, generator=generator)
    noise = torch.randn(count, 4, generator=generator)
    vectors = F.normalize(centres[labels] + noise, dim=1)
    expected = slow_knn(vectors.tolist(), labels.tolist(), max(1, round((count - 1) / classes)))
    assert knn_accuracy(vectors, labels) == pytest.approx(expected)


def test_separate_classes_are_all_right_and_random_ones_are_not() -> None:
    labels = torch.arange(40) % 4
    assert knn_accuracy(F.one_hot(labels).float(), labels) == 1
    vectors = F.normalize(torch.randn(400, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    assert knn_accuracy(vectors, torch.arange(400) % 4) < 0.4


def collection(labels: list[int]) -> Collection:
    count = len(labels)
    return Collection(
        pixels=torch.zeros(count, 8, 3, 8, dtype=torch.uint8),
        rows=torch.arange(count),
        aspects=torch.ones(count),
        labels=torch.tensor(labels),
        classes=("a", "b", "c"),
        skipped=[],
        fingerprint="",
    )


def test_only_labelled_pictures_with_company_are_measured() -> None:
    chosen = measurable(collection([0, 0, -1, 1, 2, 2]), seed=0)
    assert chosen is not None
    assert chosen.tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize("labels", [[-1] * 9, [0] * 9, [0, 1, 2], [0, 0, 1]])
def test_without_two_classes_nothing_is_measured(labels: list[int]) -> None:
    assert measurable(collection(labels), seed=0) is None


def test_large_collections_are_sampled_always_the_same_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "MOST_IMAGES", 10)
    found = [measurable(collection([0, 1] * 50), seed=s) for s in (1, 1, 2)]
    assert all(len(each) == 10 for each in found if each is not None)
    assert found[0].tolist() == found[1].tolist() != found[2].tolist()  # type: ignore[union-attr]


def test_features_are_those_of_the_central_square(pictures: Path, tmp_path: Path) -> None:
    files = find_images([pictures])
    decoded = decode_collection(files, 48, "memory", tmp_path, Silent())
    encoder = build_encoder(TrainConfig(width=0.25, image_size=32, stem="middle"))
    everything = torch.arange(len(decoded))
    found = features(encoder, decoded, everything, 32, torch.device("cpu"))
    assert encoder.training  # left as it was found
    assert found.shape == (36, 128)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(36))
    # One at a time gives the same: nothing leaks through batch statistics.
    alone = features(encoder, decoded, everything[7:8], 32, torch.device("cpu"))
    torch.testing.assert_close(found[7:8], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("count", "classes"), [(30, 3), (50, 7)])
def test_the_vote_of_other_pictures_equals_the_slow_loop(count: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, 4, generator=generator)
    vectors, others = (
        F.normalize(centres[labels] + torch.randn(count, 4, generator=generator), dim=1)
        for _ in range(2)
    )
    k = round(count / classes)
    right = 0
    for query, label in zip(others.tolist(), labels.tolist(), strict=True):
        similar = sorted(
            (
                (sum(a * b for a, b in zip(query, other, strict=True)), labels[j].item())
                for j, other in enumerate(vectors.tolist())
            ),
            reverse=True,
        )
        votes: dict[float, float] = {}
        for similarity, voted in similar[:k]:
            votes[voted] = votes.get(voted, 0) + math.exp(similarity / 0.1)
        right += max(votes, key=votes.__getitem__) == label
    assert knn_accuracy_on(vectors, labels, others, labels) == pytest.approx(right / count)


def test_a_linear_classifier_equals_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    centres = torch.randn(3, 6, generator=generator)
    train, test = (centres[labels] + 1.5 * torch.randn(300, 6, generator=generator) for _ in "ab")
    scaler = StandardScaler().fit(train.numpy())
    # Its objective is the sum of losses and |w|²/(2C); ours the mean, and decay·|w|².
    theirs = LogisticRegression(C=1 / (2 * 0.01 * 300), max_iter=1000)
    theirs.fit(scaler.transform(train.numpy()), labels.numpy())
    expected = theirs.score(scaler.transform(test.numpy()), labels.numpy())
    found = linear_accuracy_on(train, labels, test, labels, decay=0.01)
    assert found == pytest.approx(expected, abs=1 / 300)
    assert linear_accuracy_on(train * 1e3 + 5, labels, test * 1e3 + 5, labels) > 0.5


def test_separable_classes_are_learned_wholly() -> None:
    labels = torch.arange(40) % 4
    vectors = F.one_hot(labels).float()
    assert linear_accuracy_on(vectors, labels, vectors, labels) == 1
