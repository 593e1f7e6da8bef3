"""The graph around the backbone does what Pillow does, on any shape."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from PIL import Image

from clr_search.contract.model_file import IMAGES, IR_VERSION, OPSET
from clr_search.export.graph import normalisation, preprocessing

SIZE = 24


def session(graph: onnx.GraphProto) -> ort.InferenceSession:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@cache
def preprocess_session() -> ort.InferenceSession:
    return session(preprocessing(SIZE))


def preprocess(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = preprocess_session().run(None, {IMAGES: images})[0]
    return result


def reference(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pillow in floating point, plane by plane: an implementation with no code in common."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    planes = image[top : top + side, left : left + side].astype(np.float32).transpose(2, 0, 1)
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(p)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        )
        for p in planes
    ]
    return np.stack(resized).astype(np.float64) / 255


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 140), st.integers(1, 140), st.integers(0, 2**31))
@example(1, 1, 0)
@example(1, 140, 0)
@example(25, 24, 0)
@example(97, 61, 0)
def test_preprocessing_equals_pillow(height: int, width: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    found = preprocess(images)
    assert found.shape == (2, 3, SIZE, SIZE)
    for image, pixels in zip(images, found, strict=True):
        assert np.abs(pixels - reference(image)).max() < 2e-5


def test_preprocessing_at_target_size_is_the_identity() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    expected = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert np.abs(preprocess(images) - expected).max() < 1e-7


def test_empty_batch() -> None:
    assert preprocess(np.zeros((0, SIZE, SIZE, 3), np.uint8)).shape == (0, 3, SIZE, SIZE)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_normalisation_gives_unit_rows(scale: float) -> None:
    features = (np.random.default_rng(0).normal(size=(5, 7)) * scale).astype(np.float32)
    found = session(normalisation(7)).run(None, {"features": features})[0]
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found * np.linalg.norm(features, axis=1, keepdims=True), features, rtol=1e-4)


def test_normalisation_leaves_zero_at_zero() -> None:
    found = session(normalisation(7)).run(None, {"features": np.zeros((2, 7), np.float32)})[0]
    assert (found == 0).all()
