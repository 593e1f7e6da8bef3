"""Encoders with half-precision weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import EMBEDDING, IMAGES, TOLERANCE, read_model
from clr_search.errors import ClrSearchError
from clr_search.export import onnx as export
from clr_search.export.precision import Drift, drift, halved, require_agreement, widened
from clr_search.serve import Encoder
from clr_search.train.run import write_initial_run
from clr_search.train.settings.config import TrainConfig
from tests.export.test_node import check_same, node

__all__ = ["node"]  # a fixture


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(image_size=40, width=0.25, seed=5)
    return write_initial_run(config, tmp_path_factory.mktemp("precision") / "run")


@pytest.fixture(scope="module")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    exact, small = folder / "a" / "encoder.onnx", folder / "b" / "encoder.onnx"
    for path, precision in ((exact, "fp32"), (small, "fp16")):
        path.parent.mkdir()
        export.export_run(run, path, precision=precision)
    return exact, small


def test_half_the_size_and_nearly_the_same_vectors(both: tuple[Path, Path]) -> None:
    exact, small = both
    assert small.stat().st_size < 0.52 * exact.stat().st_size
    pictures = list(np.random.default_rng(1).integers(0, 256, (20, 50, 70, 3), np.uint8))
    before, after = Encoder(exact).encode(pictures), Encoder(small).encode(pictures)
    assert 0 < np.abs(before - after).max() < 5e-3
    assert (before * after).sum(axis=1).min() > 0.9999


def test_the_card_says_what_it_is(both: tuple[Path, Path]) -> None:
    exact, small = (read_model(path).card for path in both)
    assert (exact.precision, exact.mean_cosine, exact.agreement) == ("fp32", None, None)
    assert small.precision == "fp16"
    assert small.mean_cosine is not None
    assert 0.9999 < small.mean_cosine <= 1
    assert small.agreement is not None
    assert small.agreement >= 0.95
    assert small.weights_sha256 == exact.weights_sha256


def test_its_golden_vector_is_its_own(both: tuple[Path, Path]) -> None:
    model = read_model(both[1])
    session = ort.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    found = session.run([EMBEDDING], {IMAGES: golden_picture(model.card.golden_size)[None]})[0][0]
    assert check_golden(model, found) <= TOLERANCE


@pytest.mark.node
def test_node_reads_it_too(node: str, both: tuple[Path, Path], tmp_path: Path) -> None:
    check_same(node, both[1], tmp_path)


def test_every_weight_is_the_nearest_half(both: tuple[Path, Path]) -> None:
    exact, small = (onnx.load(path) for path in both)
    before = {t.name: numpy_helper.to_array(t) for t in exact.graph.initializer}
    after = {t.name: numpy_helper.to_array(t) for t in small.graph.initializer}
    large = [name for name, values in before.items() if values.size >= 256]
    assert large
    for name in large:
        assert np.array_equal(after[f"{name}/fp16"], before[name].astype(np.float16))


def test_widened_again_only_the_rounding_is_left(both: tuple[Path, Path]) -> None:
    exact, small = (onnx.load(path) for path in both)
    wide = widened(small)
    assert [node.op_type for node in wide.graph.node] == [node.op_type for node in exact.graph.node]
    after = {t.name: numpy_helper.to_array(t) for t in wide.graph.initializer}
    for tensor in exact.graph.initializer:
        values = numpy_helper.to_array(tensor)
        assert after[tensor.name].dtype == values.dtype
        assert np.allclose(after[tensor.name], values, rtol=2**-11, atol=1e-7)


def test_weights_beyond_the_range_are_refused() -> None:
    values = np.full((16, 16), 1e6, np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(values, "w")],
    )
    with pytest.raises(ClrSearchError, match="The weights w are too large for half precision"):
        halved(helper.make_model(graph))


def test_drift_counts_neighbours_that_stay() -> None:
    angles = np.linspace(0, 3, 40, dtype=np.float32)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    same = drift(vectors, vectors)
    assert same.mean_cosine == pytest.approx(1)
    assert same.agreement == 1
    other = drift(vectors, vectors[np.random.default_rng(0).permutation(40)])
    assert other.agreement < 0.6
    with pytest.raises(ClrSearchError, match=r"only 90.0% of the ten nearest neighbours stay"):
        require_agreement(Drift(0.99, 0.9), "int8")


def test_another_image_size(run: Path, tmp_path: Path) -> None:
    report = export.export_run(run, tmp_path / "encoder.onnx", image_size=56)
    assert report.card.image_size == Encoder(report.path).image_size == 56
    assert report.max_abs_difference <= TOLERANCE
