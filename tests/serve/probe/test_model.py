"""The linear probe: what it reports is true, and its file says what scikit-learn says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from clr_search.contract.card import GOLDEN_SIZE
from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import (
    EMBEDDING,
    IMAGES,
    NOVELTY,
    PROBABILITIES,
    TOLERANCE,
    read_model,
)
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.finding.find import find_images
from clr_search.serve import Encoder, Probe
from clr_search.serve.probe import FittedProbe, fit, fit_probe, graph, save_probe, temperature
from clr_search.serve.probe.fitted import CROSSED
from clr_search.serve.probe.interval import crossed_interval, wilson_interval
from clr_search.serve.probe.novelty import HELD_OUT, Novelty
from clr_search.serve.probe.regression import ScaledRegression
from tests.tiny import write_tiny_encoder

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of what tests elsewhere have left open, when it is collected here (Python 3.13).
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def clusters(
    classes: int, each: int, *, spread: float, dimension: int = 24, seed: int = 0
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Unit vectors in a narrow cone, as untrained and many trained networks give them."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(classes, dimension)) * 0.1
    x = np.repeat(centres, each, axis=0) + generator.normal(size=(classes * each, dimension)) * (
        0.1 * spread
    )
    x += 2.0
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32), [f"class {n // each}" for n in range(classes * each)]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return result


@pytest.fixture(scope="module")
def paths(pictures: Path) -> list[Path]:
    return [image.path for image in find_images([pictures])]


@pytest.fixture(scope="module")
def fitted(tiny_encoder: Path, paths: list[Path]) -> FittedProbe:
    vectors = Encoder(tiny_encoder, threads=1).encode(paths)
    return fit_probe(vectors, [path.parent.name for path in paths])


@pytest.fixture(scope="module")
def saved(
    fitted: FittedProbe, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_probe(fitted, tiny_encoder, tmp_path_factory.mktemp("probe") / "probe.onnx")


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_separable_classes_are_told_apart(classes: int) -> None:
    vectors, labels = clusters(classes, 20, spread=0.1)
    found = fit_probe(vectors, labels)
    assert found.accuracy == 1
    assert found.classes == tuple(f"class {n}" for n in range(classes))
    assert found.coefficients.shape == (classes, 24)
    assert (found.held_out, found.measured_by) == (classes * 20, CROSSED)
    assert np.array_equal(found.confusion, 20 * np.eye(classes))
    assert (found.chance, found.majority) == (1 / classes, 1 / classes)
    assert (found.fitted, found.unlabelled, found.left_out) == (classes * 20, 0, ())


def test_noise_is_not_told_apart() -> None:
    generator = np.random.default_rng(1)
    vectors, labels = clusters(4, 50, spread=1.0)
    found = fit_probe(vectors, [labels[at] for at in generator.permutation(200)])
    assert found.interval[0] < 0.25 < found.interval[1]


def test_the_report_fits_together() -> None:
    found = fit_probe(*clusters(5, 30, spread=2.5))
    assert found.confusion.dtype == np.int64
    assert found.confusion.sum() == found.held_out
    assert found.confusion.sum(axis=1).tolist() == [30] * 5
    right = int(np.trace(found.confusion))
    assert found.accuracy == right / found.held_out
    assert found.interval == crossed_interval(right, found.held_out)
    assert 0.3 < found.accuracy < 0.98


@pytest.mark.parametrize("classes", [2, 4])
def test_coefficients_are_those_of_scikit_learn(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, labels = clusters(classes, 40, spread=2.5)
    found = fit_probe(vectors, labels)
    mean = vectors.astype(np.float64).mean(axis=0)
    centred = vectors - mean
    scaled = centred / np.sqrt((centred**2).mean())
    plain = LogisticRegression(C=found.C, class_weight="balanced", max_iter=2000, tol=1e-8)
    expected = plain.fit(scaled, labels).predict_proba(scaled)
    expected = temperature.scaled(expected, found.temperature)
    logits = vectors.astype(np.float64) @ found.coefficients.T + found.intercept
    assert np.abs(softmax(logits) - expected).max() < 5e-3  # two solvers' tolerances apart


def test_the_same_seed_gives_the_same_probe() -> None:
    vectors, labels = clusters(3, 30, spread=2.0)
    one, two, other = (fit_probe(vectors, labels, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(one.coefficients, two.coefficients)
    assert np.array_equal(one.confusion, two.confusion)
    assert not np.array_equal(one.confusion, other.confusion)


def test_held_out_pictures_are_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With labels that only memory could give, the accuracy has to stay at chance."""
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(300, 400)).astype(np.float32)  # more features than pictures
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = [f"{n}" for n in generator.integers(0, 2, 300)]
    found = fit_probe(vectors, labels)
    assert found.interval[0] < 0.5 < found.interval[1]
    logits = vectors @ found.coefficients.T + found.intercept
    assert len(logits) == found.fitted


def test_a_small_class_weighs_as_much_as_a_large_one() -> None:
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.normal(0, 1, (300, 6)), generator.normal(1.2, 1, (15, 6))])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = fit_probe(x.astype(np.float32), ["many"] * 300 + ["few"] * 15)
    few = found.confusion[found.classes.index("few")]
    assert few[found.classes.index("few")] / few.sum() > 0.5


def test_small_classes_and_unlabelled_pictures_are_left_out_and_counted() -> None:
    vectors, labels = clusters(4, 10, spread=0.5)
    labels[0] = None
    labels[1] = ""
    labels[10:20] = ["rare one", "rare two", "rare two", *["class 1"] * 7]
    found = fit_probe(vectors, labels)
    assert found.classes == ("class 0", "class 1", "class 2", "class 3")
    assert found.unlabelled == 2
    assert found.left_out == (("rare one", 1), ("rare two", 2))
    assert found.fitted == 35


def test_three_pictures_a_class_are_enough() -> None:
    found = fit_probe(*clusters(3, 3, spread=0.2))
    assert found.held_out == 9
    assert found.confusion.sum(axis=1).tolist() == [3, 3, 3]


def test_of_many_pictures_a_fifth_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "MANY", 150)
    found = fit_probe(*clusters(5, 30, spread=2.5))
    assert (found.held_out, found.measured_by) == (30, HELD_OUT)
    assert found.confusion.sum(axis=1).tolist() == [6] * 5
    right = int(np.trace(found.confusion))
    assert found.interval == wilson_interval(right, 30)


def test_each_picture_is_measured_by_a_probe_without_it() -> None:
    vectors, labels = clusters(3, 20, spread=2.0)
    found = fit_probe(vectors, labels)
    y = np.repeat(np.arange(3), 20)
    turns = fit.ranks(y, np.random.default_rng(0)) % fit.EVERY
    right = 0
    for turn in range(5):
        rest = turns != turn
        x = vectors.astype(np.float64)
        one = ScaledRegression.fit(x[rest], y[rest], 1 / (found.C * len(y)))
        right += int((one.classify(x[~rest]) == y[~rest]).sum())
    assert found.accuracy == right / 60


def test_names_of_folders_that_are_no_text(
    tiny_encoder: Path, paths: list[Path], tmp_path: Path
) -> None:
    vectors = Encoder(tiny_encoder, threads=1).encode(paths)
    names = {"red": os.fsdecode(b"r\xf6t"), "green": "grün", "blue": "blue"}
    fitted = fit_probe(vectors, [names[path.parent.name] for path in paths])
    probe = Probe(save_probe(fitted, tiny_encoder, tmp_path / "probe.onnx"), threads=1)
    assert probe.classes == ("blue", "grün", r"r\udcf6t")
    assert probe.predict(paths[-1]) == [r"r\udcf6t"]


def test_equal_vectors_do_not_break_it() -> None:
    found = fit_probe(np.tile(np.float32([0.6, 0.8]), (12, 1)), ["a", "b"] * 6)
    assert np.isfinite(found.coefficients).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None, ""] * 3, "there are no labels"),
        (["a"] * 6, "there is one class only"),
        (["a"] * 4 + ["b"] * 2, "2 classes, 1 of them with fewer"),
        (["a"] * 5, "6, 2.* and 5 labels"),
    ],
)
def test_what_cannot_be_fitted(labels: list[str | None], message: str) -> None:
    vectors = np.eye(6, 2, dtype=np.float32)
    with pytest.raises(UsageError, match=message):
        fit_probe(vectors, labels)


def test_not_finite() -> None:
    with pytest.raises(UsageError, match="finite"):
        fit_probe(np.full((6, 2), np.inf, np.float32), ["a", "b"] * 3)


def test_a_large_collection_is_searched_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(3, 60, spread=1.0)
    labels[:2] = ["rare", "rare"]
    labels[2:5] = ["small"] * 3  # two of them to cross-validate, which the sample has to keep
    monkeypatch.setattr(fit, "SEARCHED", 20)
    found = fit_probe(vectors, labels)
    assert found.fitted == 178
    assert "small" in found.classes


def test_every_class_is_spread_evenly() -> None:
    y = np.array([0] * 13 + [1] * 5 + [2] * 3)
    ranks = fit.ranks(y, np.random.default_rng(0))
    for one, count in Counter(y.tolist()).items():
        assert sorted(ranks[y == one]) == list(range(count))


def test_the_file_gives_the_probabilities_of_scikit_learn(
    saved: Path, fitted: FittedProbe, tiny_encoder: Path, paths: list[Path]
) -> None:
    probe, encoder = Probe(saved, threads=1), Encoder(tiny_encoder, threads=1)
    found = probe.predict_proba(paths)
    assert found.shape == (36, 3)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    expected = fitted.estimator.probabilities(encoder.encode(paths).astype(np.float64))
    assert np.abs(found - expected).max() <= TOLERANCE
    names = probe.predict(paths)
    assert names == [probe.classes[best] for best in found.argmax(axis=1)]
    right = [name == path.parent.name for name, path in zip(names, paths, strict=True)]
    assert np.mean(right) > 0.9


def test_the_file_keeps_the_contract(saved: Path, fitted: FittedProbe, tiny_encoder: Path) -> None:
    model, encoder = read_model(saved), Encoder(tiny_encoder, threads=1)
    assert model.card == replace(
        encoder.card,
        classes=("blue", "green", "red"),
        probe_accuracy=fitted.accuracy,
        novelty_refused=0.05,
        novelty_pictures=36,
        novelty_method="leave one out",
        novelty_caught=fitted.strangers.caught if fitted.strangers else None,
    )
    onnx.checker.check_model(onnx.load(saved), full_check=True)
    both = Encoder(saved, threads=1)  # a probe is an encoder too
    assert both.check() <= TOLERANCE
    picture = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    assert np.array_equal(both.encode(picture), encoder.encode(picture))
    check_golden(model, np.array(encoder.card.golden, np.float32))


def test_the_plain_graph_takes_pictures_as_they_are(saved: Path) -> None:
    session = onnxruntime.InferenceSession(saved, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 50, 80, 3), np.uint8)
    plain = session.run([PROBABILITIES], {IMAGES: pixels})[0]
    assert np.abs(Probe(saved, threads=1).predict_proba(pixels) - plain).max() < 0.02


def test_novelty_is_that_of_numpy(
    saved: Path, fitted: FittedProbe, tiny_encoder: Path, paths: list[Path]
) -> None:
    probe, encoder = Probe(saved, threads=1), Encoder(tiny_encoder, threads=1)
    chances, novelty = probe.examine(paths)
    assert fitted.novelty is not None
    assert novelty is not None
    assert (novelty.shape, novelty.dtype) == ((36,), np.float32)
    np.testing.assert_allclose(novelty, fitted.novelty.of(encoder.encode(paths)), atol=1e-3)
    assert np.array_equal(chances, probe.predict_proba(paths))
    assert (novelty <= 1).mean() >= 0.95


def test_what_is_like_no_class_is_new(saved: Path) -> None:
    other = [np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8)]
    novelty = Probe(saved, threads=1).examine([*other, golden_picture(GOLDEN_SIZE)])[1]
    assert novelty is not None
    assert (novelty > 1).all()


def test_the_plain_graph_tells_what_is_new(saved: Path) -> None:
    session = onnxruntime.InferenceSession(saved, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == [EMBEDDING, PROBABILITIES, NOVELTY]
    picture = golden_picture(GOLDEN_SIZE)
    plain = session.run([NOVELTY], {IMAGES: picture[None]})[0]
    assert plain.shape == (1,)
    found = Probe(saved, threads=1).examine(picture)[1]
    assert found is not None
    assert plain[0] == pytest.approx(found[0], rel=0.05)  # the square is cut elsewhere


def test_a_file_of_before_works_on(
    fitted: FittedProbe, saved: Path, tiny_encoder: Path, tmp_path: Path, paths: list[Path]
) -> None:
    old = save_probe(replace(fitted, novelty=None), tiny_encoder, tmp_path / "old.onnx")
    assert not any("novelty" in one.key for one in onnx.load(old).metadata_props)
    probe = Probe(old, threads=1)
    assert not probe.tells_unknown
    chances, novelty = probe.examine(paths)
    assert novelty is None
    assert np.array_equal(chances, Probe(saved, threads=1).predict_proba(paths))
    assert probe.examine([])[1] is None


@pytest.mark.parametrize("claimed", [None, 0.05])
def test_what_the_card_says_of_novelty_has_to_be_there(
    claimed: float | None, fitted: FittedProbe, saved: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    source = saved if claimed is None else tmp_path / "old.onnx"
    if claimed is not None:
        save_probe(replace(fitted, novelty=None), tiny_encoder, source)
    model = onnx.load(source)
    card = replace(read_model(source).card, novelty_refused=claimed)
    onnx.helper.set_model_props(model, card.to_metadata())
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(UsageError, match="breaks the contract: its outputs are"):
        read_model(tmp_path / "wrong.onnx")


def test_two_classes(tmp_path: Path, tiny_encoder: Path, paths: list[Path]) -> None:
    two = [path for path in paths if path.parent.name != "green"]
    vectors = Encoder(tiny_encoder, threads=1).encode(two)
    fitted = fit_probe(vectors, [path.parent.name for path in two])
    probe = Probe(save_probe(fitted, tiny_encoder, tmp_path / "two.onnx"), threads=1)
    assert probe.classes == ("blue", "red")
    expected = fitted.estimator.probabilities(vectors.astype(np.float64))
    assert np.abs(probe.predict_proba(two) - expected).max() <= TOLERANCE


def test_facts_and_edges(saved: Path) -> None:
    probe = Probe(saved, threads=1)
    assert probe.path == saved
    assert "tiny, 3 classes" in repr(probe)
    assert probe.predict_proba([]).shape == (0, 3)
    nothing = probe.examine([])[1]
    assert nothing is not None
    assert nothing.shape == (0,)
    assert probe.predict([]) == []
    with pytest.raises(UsageError, match="Picture 0 is a float64 array"):
        probe.predict([np.zeros((3, 3, 3))])  # type: ignore[list-item]
    with pytest.raises(ClrSearchError, match=r"none\.jpg cannot be embedded"):
        probe.predict(Path("none.jpg"))


def test_an_encoder_is_no_probe(tiny_encoder: Path) -> None:
    with pytest.raises(UsageError, match="is an encoder without classes") as caught:
        Probe(tiny_encoder)
    assert "clr-search probe" in caught.value.remedy


def test_outputs_that_exist_are_kept(
    saved: Path, fitted: FittedProbe, tiny_encoder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "probe.onnx"
    out.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        save_probe(fitted, tiny_encoder, out)
    assert out.read_text() == "precious"
    assert save_probe(fitted, tiny_encoder, out, force=True) == out
    assert out.read_bytes() == saved.read_bytes()  # the same probe gives the same file


def test_the_encoder_is_not_overwritten(fitted: FittedProbe, tmp_path: Path) -> None:
    encoder = write_tiny_encoder(tmp_path / "encoder.onnx")
    before = encoder.read_bytes()
    with pytest.raises(UsageError, match="is the encoder"):
        save_probe(fitted, encoder, encoder, force=True)
    assert encoder.read_bytes() == before


def test_another_encoder_is_refused(saved: Path, fitted: FittedProbe, tmp_path: Path) -> None:
    other = write_tiny_encoder(tmp_path / "other.onnx", dimension=9)
    with pytest.raises(UsageError, match=r"length 9, but the probe .* of length 16"):
        save_probe(fitted, other, tmp_path / "probe.onnx")
    with pytest.raises(UsageError, match="is a probe itself"):
        save_probe(fitted, saved, tmp_path / "probe.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["other.onnx"]


def test_a_file_that_would_be_wrong_is_not_written(
    fitted: FittedProbe, tiny_encoder: Path, tmp_path: Path
) -> None:
    wrong = replace(fitted, intercept=fitted.intercept + np.float32([0, 0, 0.5]))
    with pytest.raises(ClrSearchError, match="differ from scikit-learn's"):
        save_probe(wrong, tiny_encoder, tmp_path / "probe.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_distances_would_be_wrong_is_not_written(
    fitted: FittedProbe, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = graph._novelty_constants

    def wrong(novelty: Novelty) -> dict[str, NDArray[np.float32]]:
        constants = true(novelty)
        return constants | {"novelty/offset": constants["novelty/offset"] * 1.5}

    monkeypatch.setattr(graph, "_novelty_constants", wrong)
    with pytest.raises(ClrSearchError, match="distances to the classes that differ from numpy's"):
        save_probe(fitted, tiny_encoder, tmp_path / "probe.onnx")
    assert list(tmp_path.iterdir()) == []


def test_classifying_needs_no_scikit_learn(saved: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from clr_search import Probe\n"
        f"print(len(Probe({str(saved)!r}, threads=1).predict([np.zeros((9, 9, 3), np.uint8)])))\n"
        "print({'sklearn', 'torch', 'faiss'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "set()"]


@pytest.mark.parametrize("sizes", [(2, 2), (2, 30, 9), (3, 4, 5), (50, 50)])
def test_every_class_is_in_both_parts_of_every_fold(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, tested = [], []
    real = fit.ScaledRegression.fit
    measured = fit.ScaledRegression.probabilities

    def fitting(x, y, penalty, *, start=None):  # type: ignore[no-untyped-def]
        fitted.append(set(y.tolist()))
        return real(x, y, penalty, start=start)

    def measuring(self, x):  # type: ignore[no-untyped-def]
        tested.append({tuple(row) for row in x.tolist()})
        return measured(self, x)

    monkeypatch.setattr(fit.ScaledRegression, "fit", fitting)
    monkeypatch.setattr(fit.ScaledRegression, "probabilities", measuring)
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.random.default_rng(0).normal(size=(len(y), 5)) + y[:, None]
    of = {tuple(row): int(one) for row, one in zip(x.astype(np.float32).tolist(), y, strict=True)}
    found = [fit.best_penalty(x, y, np.random.default_rng(0)) for _ in range(2)]
    assert found[0] == found[1]
    every = set(range(len(sizes)))
    assert all(classes == every for classes in fitted)
    assert all({of[row] for row in rows} == every for rows in tested)
    folds = min(fit.FOLDS, *sizes)
    assert set().union(*tested[:folds]) == set(of), "each picture is tested once"
    assert sum(map(len, tested[:folds])) == len(of)
