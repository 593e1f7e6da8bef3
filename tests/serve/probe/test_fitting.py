"""`Probe.fit`: from labelled pictures, or their embeddings, to a classifier at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.serve import Encoder, Probe
from clr_search.serve.probe.few_shot import fit_shots


@pytest.fixture(scope="module")
def paths(pictures: Path) -> list[Path]:
    return [image.path for image in find_images([pictures])]


@pytest.fixture(scope="module")
def names(paths: list[Path]) -> list[str]:
    return [path.parent.name for path in paths]


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder(tiny_encoder, threads=1)


@pytest.fixture(scope="module")
def probe(paths: list[Path], names: list[str], encoder: Encoder) -> Probe:
    return Probe.fit(paths, names, encoder=encoder, threads=1)


def test_pictures_or_their_embeddings(
    probe: Probe, paths: list[Path], names: list[str], encoder: Encoder, tiny_encoder: Path
) -> None:
    vectors = encoder.encode(paths)
    assert probe.fitted is not None
    expected = fit_shots(vectors, names)
    assert np.array_equal(probe.fitted.coefficients, expected.coefficients)
    assert probe.fitted.interval == expected.interval
    same = Probe.fit(vectors.astype(np.float64), np.array(names), encoder=tiny_encoder, threads=1)
    assert same.sha256 == probe.sha256
    assert np.mean(np.array(probe.predict(paths)) == names) > 0.9
    # A fitted one also takes what it was fitted on.
    for of_pictures, of_vectors in zip(probe.examine(paths), probe.examine(vectors), strict=True):
        assert of_pictures is not None
        np.testing.assert_allclose(of_vectors, of_pictures, atol=1e-3)
    assert probe.predict(vectors) == probe.predict(paths)
    with pytest.raises(UsageError, match=r"a float32 array of shape \(36, 9\)"):
        probe.predict(vectors[:, :9])


def test_numbers_and_missing_labels(paths: list[Path], encoder: Encoder) -> None:
    labels = [0] * 12 + [1] * 12 + [None, float("nan"), ""] * 4
    probe = Probe.fit(paths, labels, encoder=encoder, threads=1)
    assert probe.classes == ("0", "1")
    assert probe.fitted is not None
    assert (probe.fitted.fitted, probe.fitted.unlabelled) == (24, 12)


def test_saved_and_pickled_it_is_the_same(
    probe: Probe, paths: list[Path], tmp_path: Path, encoder: Encoder
) -> None:
    expected = probe.predict_proba(paths)
    copied = pickle.loads(pickle.dumps(probe))
    assert np.array_equal(copied.predict_proba(paths), expected)
    assert copied.fitted.accuracy == probe.fitted.accuracy  # type: ignore[union-attr]
    out = copied.save(tmp_path / "probe.onnx")
    assert copied.path == out
    read = Probe(out, threads=1)
    assert (read.sha256, read.classes, read.fitted) == (probe.sha256, probe.classes, None)
    assert np.array_equal(read.predict_proba(paths), expected)
    out_of_reach = pickle.dumps(read)
    with pytest.raises(UsageError, match="exists already"):
        probe.save(out)
    probe.save(out, force=True)
    out.unlink()
    assert np.array_equal(pickle.loads(out_of_reach).predict_proba(paths), expected)
    with pytest.raises(UsageError, match="read from a file takes pictures"):
        read.predict(encoder.encode(paths))


def test_what_does_not_fit_together(paths: list[Path], names: list[str], encoder: Encoder) -> None:
    with pytest.raises(UsageError, match="there is only red"):
        Probe.fit(paths[:2], ["red", "red"], encoder=encoder)
    with pytest.raises(UsageError, match="and 3 labels"):
        Probe.fit(paths[:2], names[:3], encoder=encoder)
    with pytest.raises(UsageError, match="length 16, but the probe was fitted on vectors of leng"):
        Probe.fit(np.eye(4, dtype=np.float32), ["a", "a", "b", "b"], encoder=encoder)
