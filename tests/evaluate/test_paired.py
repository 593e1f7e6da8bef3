"""Which of two encoders finds better: true where it is told, untold where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.evaluate import paired, uncertainty
from clr_search.evaluate.paired import PROBE, Comparison, Difference, compare_paired
from clr_search.evaluate.pairing import Identity, same_pictures
from clr_search.evaluate.retrieval import MEASURES, leave_one_out, query_scores
from clr_search.evaluate.uncertainty import errors

Vectors = NDArray[np.float32]

CLASSES, DIMENSION = 4, 12
CENTRES = np.random.default_rng(7).normal(size=(CLASSES, DIMENSION))


def drawn(
    count: int, generator: np.random.Generator, *spreads: float
) -> tuple[list[Vectors], list[str]]:
    """The same pictures by several encoders: what is difficult for one is so for the others."""
    y = generator.integers(0, CLASSES, count)
    shared = generator.normal(size=(count, DIMENSION))
    encoders = []
    for spread in spreads:
        x = CENTRES[y] + spread * (shared + generator.normal(size=shared.shape)) / np.sqrt(2)
        encoders.append((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32))
    return encoders, [f"class {n}" for n in y]


def test_intervals_of_retrieval_cover_the_truth() -> None:
    """The truth is the mean over many collections. 95 % are meant, of each interval."""
    generator = np.random.default_rng(1)
    spreads, count = (2.2, 1.9), 100
    true = np.zeros(4)
    for _ in range(300):
        (a, b), labels = drawn(count, generator, *spreads)
        y = np.unique(labels, return_inverse=True)[1]
        true += (query_scores(b, y)[1].mean(axis=0) - query_scores(a, y)[1].mean(axis=0)) / 300
    covered = []
    for _ in range(60):
        pair, labels = drawn(count, generator, *spreads)
        y = np.unique(labels, return_inverse=True)[1]
        values = query_scores(pair[1], y)[1].mean(axis=0) - query_scores(pair[0], y)[1].mean(axis=0)
        one = errors(pair, y)
        deviations = np.sqrt(one[:, 0, 0] + one[:, 1, 1] - 2 * one[:, 0, 1])
        covered.append(np.abs(values - true) <= 1.96 * deviations)
    assert np.mean(covered) >= 0.93
    assert np.mean(covered, axis=0).min() >= 0.85  # 60 draws deviate by 2.8
    # And they are not so wide that they say nothing.
    assert np.mean(deviations) < 0.1


def test_equal_encoders_cannot_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "DRAWS", 40)
    generator = np.random.default_rng(2)
    verdicts = []
    for count in [30] * 10 + [90] * 10:
        (a, b), labels = drawn(count, generator, 2.0, 2.0)
        verdicts.append(compare_paired(a, b, labels).verdict)
    assert verdicts.count("cannot tell") >= 18  # 19 are meant, at least


def test_a_better_encoder_is_told() -> None:
    (a, b), labels = drawn(300, np.random.default_rng(3), 2.5, 1.0)
    found = compare_paired(a, b, labels)
    assert [one.measure for one in found.differences] == [*MEASURES, PROBE]
    assert {one.verdict for one in found.differences} == {"better"}
    assert found.verdict == "better"
    assert compare_paired(b, a, labels).verdict == "worse"
    alone = leave_one_out(b, labels)
    assert [one.second for one in found.differences[:4]] == pytest.approx(
        [getattr(alone, name) for name in MEASURES]
    )
    assert all(one.low < one.second - one.first < one.high for one in found.differences)
    assert (found.pictures, found.classes) == (300, CLASSES)


def test_the_same_vectors_are_no_proof_of_equality() -> None:
    (a,), labels = drawn(40, np.random.default_rng(4), 1.0)
    for one in compare_paired(a, a, labels).differences:
        assert one.first == one.second
        assert one.low < 0 < one.high


def test_of_many_pictures_the_probes_are_measured_on_a_fifth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (a, b), labels = drawn(200, np.random.default_rng(5), 2.0, 1.0)
    small = compare_paired(a, b, labels).differences[-1]
    monkeypatch.setattr(paired, "MANY", 200)
    large = compare_paired(a, b, labels).differences[-1]
    assert (small.measure, large.measure) == (PROBE, PROBE)
    assert (large.second * 200 / 5) % 1 == pytest.approx(0, abs=0.6)
    assert large != small


def test_better_and_worse_is_untold() -> None:
    def compared(*bounds: tuple[float, float]) -> str:
        rows = tuple(Difference("recall_at_1", 0.5, 0.5, low, high) for low, high in bounds)
        chance = leave_one_out(np.ones((4, 1), np.float32), ["a", "a", "b", "b"]).chance
        return Comparison(rows, 4, 2, chance, chance).verdict

    assert compared((0.1, 0.2), (-0.1, 0.1)) == "better"
    assert compared((-0.2, -0.1), (-0.1, 0.1)) == "worse"
    assert compared((-0.2, -0.1), (0.1, 0.2)) == compared((-0.1, 0.1)) == "cannot tell"


def test_what_cannot_be_compared() -> None:
    x = np.eye(4, dtype=np.float32)
    with pytest.raises(UsageError, match="4 and 3 vectors and 4 labels"):
        compare_paired(x, x[:3], ["a"] * 4)
    for labels in (["a", "b", "c", "d"], [None] * 4):
        with pytest.raises(UsageError, match="a class of at least two pictures"):
            compare_paired(x, x, labels)
    assert len(compare_paired(x, x, ["a", "a", None, "b"]).differences) == 4  # too few for probes


def test_pictures_are_the_same_by_their_content() -> None:
    def picture(path: str, content: str, *, file: bool = True) -> Identity:
        return Identity(path, content, file)

    first = [picture("/a", "1"), picture("/b", "2"), picture("/c", "2"), picture("/d", "3")]
    moved = [picture("/x", "3"), picture("/c", "2"), picture("/y", "2"), picture("/a", "other")]
    assert same_pictures(first, moved) == [(1, 2), (2, 1), (3, 0)]
    assert same_pictures(first, first) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    # Vectors from elsewhere have no file whose content could tell.
    assert same_pictures(
        [picture("/a", "1", file=False), picture("/b", "2")],
        [picture("/b", "9"), picture("/a", "8", file=False)],
    ) == [(0, 1)]
    made = [picture("/a", "1", file=False)]
    assert same_pictures(made, first) == same_pictures(first, made) == [(0, 0)]
