"""Both forms of resizing in the graph are one function, and the second needs no `Resize`."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from clr_search.contract.card import Resize
from clr_search.contract.model_file import IMAGES, IR_VERSION, MOST_PIXELS, OPSET
from clr_search.export.graph import preprocessing
from clr_search.export.precision import halved
from clr_search.export.resize import resizing
from clr_search.images import Frame, square

SIZE = 24


def model(size: int | Frame, resize: Resize) -> onnx.ModelProto:
    graph = preprocessing(size, resize)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    onnx.checker.check_model(made, full_check=True)
    return made


@cache
def session(size: int | Frame, resize: Resize) -> ort.InferenceSession:
    data = model(size, resize).SerializeToString()
    return ort.InferenceSession(data, providers=["CPUExecutionProvider"])


def pixels_of(
    images: NDArray[np.uint8], size: int | Frame = SIZE, resize: Resize = "MatMul"
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = session(size, resize).run(None, {IMAGES: images})[0]
    return result


def noise(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def triangles(side: int, size: int) -> NDArray[np.float64]:
    """W in double precision, [S, n]: row o is a triangle around its place, with a sum of 1."""
    scale = side / size
    places = (np.arange(size)[:, None] + 0.5) * scale
    heights = np.maximum(1 - np.abs(np.arange(side) + 0.5 - places) / max(scale, 1), 0)
    total: NDArray[np.float64] = heights.sum(axis=1, keepdims=True)
    return heights / total


def exactly(image: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """Pixels in double precision."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    planes = image[top : top + side, left : left + side].transpose(2, 0, 1)
    rows = triangles(side, size)
    result: NDArray[np.float64] = rows @ planes @ rows.T / 255
    return result


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 140), st.integers(1, 140), st.integers(1, 3), st.sampled_from((1, 7, 24, 33)))
@example(1, 1, 2, 24)
@example(1, 140, 1, 24)
@example(2, 5, 1, 33)
@example(24, 24, 3, 24)
@example(24, 25, 2, 24)
@example(25, 24, 1, 24)
@example(23, 23, 1, 24)
@example(97, 61, 2, 7)
@example(140, 139, 1, 1)
def test_products_equal_the_operator_and_pillow(
    height: int, width: int, count: int, size: int
) -> None:
    images = noise(count, height, width, seed=height * width)
    found = pixels_of(images, size)
    assert found.shape == (count, 3, size, size)
    # That of ONNX Runtime has its places in single precision.
    assert np.abs(found - pixels_of(images, size, "Resize")).max() < 5e-6
    for image, pixels in zip(images, found, strict=True):
        assert np.abs(pixels - exactly(image, size)).max() < 5e-7
        seen = square(image, size).transpose(2, 0, 1).astype(np.float64)
        assert np.abs(255 * pixels - seen).max() < 1.01, "Pillow rounds to bytes, twice"


def test_a_large_picture_is_as_exact() -> None:
    images = noise(1, 3001, 2800)
    found = pixels_of(images, 300)
    assert np.abs(found[0] - exactly(images[0], 300)).max() < 5e-7
    assert np.abs(found - pixels_of(images, 300, "Resize")).max() < 5e-6


def test_at_the_size_it_is_the_identity_exactly() -> None:
    images = noise(3, SIZE, SIZE + 9)
    planes = images[:, :, 4 : 4 + SIZE].transpose(0, 3, 1, 2).astype(np.float32)
    assert np.array_equal(pixels_of(images), planes * np.float32(1 / 255))


def test_an_empty_batch() -> None:
    assert pixels_of(noise(0, 40, 30)).shape == (0, 3, SIZE, SIZE)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (9, 5), (24, 24), (61, 50)])
def test_the_definition_of_the_operators_gives_the_same(height: int, width: int) -> None:
    """onnx.reference is written from the definition, in numpy."""
    images = noise(2, height, width)
    found = ReferenceEvaluator(model(SIZE, "MatMul")).run(None, {IMAGES: images})[0]
    assert np.abs(found - pixels_of(images)).max() < 1e-6


def test_only_plain_operators() -> None:
    used = {node.op_type for node in model(SIZE, "MatMul").graph.node}
    plain = {"Abs", "Add", "Cast", "Div", "MatMul", "Max", "Mul", "Range", "ReduceMin", "ReduceSum"}
    assert used == plain | {"Shape", "Slice", "Squeeze", "Sub", "Transpose"}


def test_half_precision_leaves_the_weights_of_the_filter() -> None:
    """They are made from integers, and none are stored."""
    large = model(300, "MatMul")
    assert halved(large) == large


def test_the_largest_numbers_are_held_in_32_bits() -> None:
    constants = resizing(MOST_PIXELS, "MatMul").constants
    largest = int(constants["twice_size"]) * 262_143
    assert largest <= np.iinfo(np.int32).max < largest + int(constants["twice_size"])


def weights(side: int, size: int) -> NDArray[np.float32]:
    """W of the graph, float32 [S, n]."""
    part = resizing(size, "MatMul")
    graph = helper.make_graph(
        [node for node in part.nodes if node.op_type not in ("MatMul", "Transpose")],
        "weights",
        [helper.make_tensor_value_info("side", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in part.constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    run = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]).run
    found: NDArray[np.float32] = run(None, {"side": np.array([side], np.int64)})[0]
    return found


@pytest.mark.parametrize("side", [1, 95, 96, 97, 4001, 30_011])
def test_weights_are_those_of_a_triangle(side: int) -> None:
    found, expected = weights(side, 96), triangles(side, 96)
    assert np.abs(found - expected).max() < 1e-6 * expected.max()
    assert ((found > 0) == (expected > 1e-9)).all()


FRAMES = [
    Frame(SIZE, filter="bicubic"),
    Frame(SIZE, "centre"),
    Frame(SIZE, "centre", "bicubic"),
    Frame(SIZE, "squash"),
    Frame(SIZE, "squash", "bicubic"),
    Frame(SIZE, "pad", ground=(124, 116, 104)),
    Frame(SIZE, "pad", "bicubic"),
]


@pytest.mark.parametrize("resize", ["Resize", "MatMul"])
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.fit} {frame.filter}")
@pytest.mark.parametrize(
    "shape", [(50, 50), (31, 90), (90, 31), (10, 17), (SIZE, 100), (1, 60), (90, 7)]
)
def test_every_frame_is_made_as_pillow_makes_it(
    frame: Frame, resize: Resize, shape: tuple[int, int]
) -> None:
    """Pillow rounds after each of its two passes, and clips, which this picture spares it."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    sides = (x * 2 + 20, y * 2 + 20, (x + y) // 9 % 2 * 100 + 60)
    picture = np.stack(sides, axis=2).astype(np.uint8)
    made = pixels_of(picture[None], frame, resize)[0].transpose(1, 2, 0) * 255
    assert np.abs(made - square(picture, frame)).max() < 1.2


@pytest.mark.parametrize("resize", ["Resize", "MatMul"])
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.fit} {frame.filter}")
def test_no_frame_changes_a_square_of_its_size(frame: Frame, resize: Resize) -> None:
    pictures = noise(2, SIZE, SIZE)
    made = pixels_of(pictures, frame, resize).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(made * 255, pictures, atol=1e-3)
