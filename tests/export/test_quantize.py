"""Encoders with 8-bit convolutions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from clr_search.cli.main import main
from clr_search.contract.card import Card
from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import EMBEDDING, IMAGES, INT8_TOLERANCE, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export.graph import FEATURES, PIXELS, assemble, with_card
from clr_search.export.onnx import export_run
from clr_search.export.quantize import Scheme, quantized
from clr_search.export.reduce import export_encoder, pictures_for
from clr_search.export.sample import LEAST, draw
from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.serve import Encoder
from clr_search.serve.probe.graph import with_classifier
from clr_search.train.run import write_initial_run
from clr_search.train.settings.config import TrainConfig
from tests.export.test_node import check_same, node

__all__ = ["node"]  # a fixture

SIDE = 32


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(2)
    for number in range(160):
        coarse = generator.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(coarse).resize((50, 40)).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> tuple[Path, Path]:
    """A residual network with whitening, in fp32 and in int8."""
    folder = tmp_path_factory.mktemp("encoders")
    config = TrainConfig(image_size=SIDE, width=0.25, seed=5, stem="imagenet")
    run = write_initial_run(config, folder / "run")
    exact, small = folder / "a" / "encoder.onnx", folder / "b" / "encoder.onnx"
    export_run(run, exact, whiten_on=[photos])
    export_run(run, small, whiten_on=[photos], precision="int8", force=True)
    return exact, small


def wild_encoder(path: Path) -> Path:
    """One channel is ten thousand times as loud as the others, which the next layer undoes."""
    generator = np.random.default_rng(1)
    first = generator.normal(0, 0.5, (8, 3, 3, 3))
    second = generator.normal(0, 0.5, (8, 8, 3, 3))
    first[0] *= 1e4
    second[:, 0] /= 1e4
    weights = {"w1": first, "w2": second}
    nodes = [
        helper.make_node("Conv", [PIXELS, "w1"], ["c1"], name="c1"),
        helper.make_node("Relu", ["c1"], ["a1"], name="r1"),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], name="c2"),
        helper.make_node("GlobalAveragePool", ["c2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], [FEATURES]),
    ]
    backbone = helper.make_graph(
        nodes,
        "backbone",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    card = Card(name="wild", image_size=SIDE, embedding_dim=8, architecture="two convolutions")
    path.write_bytes(with_card(assemble(backbone, SIDE, 8), card))
    return path


def tensors(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def test_it_is_a_smaller_encoder_under_the_contract(both: tuple[Path, Path]) -> None:
    exact, small = both
    assert small.stat().st_size < 0.36 * exact.stat().st_size
    encoder = Encoder(small)
    assert encoder.check() <= INT8_TOLERANCE
    pictures = list(np.random.default_rng(1).integers(0, 256, (9, 50, 70, 3), np.uint8))
    pictures.append(np.zeros((1, 1, 3), np.uint8))
    before, after = Encoder(exact).encode(pictures), encoder.encode(pictures)
    assert np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    assert (before * after).sum(axis=1).min() > 0.98
    assert np.abs(before - after).max() > 1e-4


def test_the_card_says_what_it_is(both: tuple[Path, Path]) -> None:
    exact, small = (read_model(path).card for path in both)
    assert small.precision == "int8"
    assert small.mean_cosine is not None
    assert 0.98 < small.mean_cosine < 1
    assert small.agreement is not None
    assert 0.8 < small.agreement < 1  # untrained, and whitened on few pictures: it bears little
    assert replace(
        small, precision="fp32", mean_cosine=None, agreement=None, golden=exact.golden
    ) == replace(exact)


def test_golden_json_states_the_wider_tolerance(both: tuple[Path, Path]) -> None:
    model = read_model(both[1])
    golden = json.loads(both[1].with_name("golden.json").read_text())
    assert golden["tolerance"] == INT8_TOLERANCE
    vector = np.array(golden["embedding"], np.float32)
    assert check_golden(model, vector + np.float32(0.9 * INT8_TOLERANCE)) > 0.01
    with pytest.raises(ClrSearchError, match=r"off by 6\.00e-02, allowed 5e-02"):
        check_golden(model, vector + np.float32(0.06))
    session = ort.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    picture = golden_picture(model.card.golden_size)
    mirrored = np.ascontiguousarray(picture[None, :, :, ::-1])  # RGB as BGR
    with pytest.raises(ClrSearchError, match="does not give its golden vector"):
        check_golden(model, session.run([EMBEDDING], {IMAGES: mirrored})[0][0])


@pytest.mark.node
def test_node_reads_it_too(node: str, both: tuple[Path, Path], tmp_path: Path) -> None:
    check_same(node, both[1], tmp_path, INT8_TOLERANCE)


def test_only_the_convolutions_behind_the_first_are_quantized(both: tuple[Path, Path]) -> None:
    exact, small = (onnx.load(path) for path in both)
    maker = {name: node for node in small.graph.node for name in node.output}
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 20
    kinds = [{maker[name].op_type for name in node.input if name in maker} for node in convolutions]
    assert kinds[1:] == [{"DequantizeLinear"}] * 19
    assert kinds[0] == {"Div"}, "the first reads pixels, and float weights"
    end = next(at for at, node in enumerate(exact.graph.node) if PIXELS in node.output) + 1
    assert small.graph.node[:end] == exact.graph.node[:end], "preprocessing as it was"
    others = {"QuantizeLinear", "DequantizeLinear", "Conv", "Relu", "Add", "MaxPool"}

    def rest(model: onnx.ModelProto) -> list[str]:
        return sorted(node.op_type for node in model.graph.node if node.op_type not in others)

    assert rest(small) == rest(exact), "means, whitening and norm as they were"
    gemm = next(node for node in small.graph.node if node.op_type == "Gemm")
    weights = {name for name in gemm.input if name in tensors(small)}
    assert {tensors(small)[name].dtype for name in weights} == {np.dtype(np.float32)}
    pool = next(node for node in small.graph.node if node.op_type == "MaxPool")
    readers = {node.op_type for node in small.graph.node if pool.output[0] in node.input}
    assert readers == {"QuantizeLinear", "Add"}, "else ONNX Runtime pools in 8 bits, slowly"


def test_weights_have_one_scale_a_channel(both: tuple[Path, Path]) -> None:
    exact, small = (tensors(onnx.load(path)) for path in both)
    names = [name for name in exact if f"{name}_quantized" in small and exact[name].ndim == 4]
    assert len(names) == 19
    for name in names:
        found, scale = small[f"{name}_quantized"], small[f"{name}_scale"]
        assert found.dtype == np.int8
        largest = np.abs(exact[name]).max(axis=(1, 2, 3))
        np.testing.assert_allclose(scale, largest / 127.5, rtol=0.02)
        restored = found * scale[:, None, None, None]
        assert (np.abs(restored - exact[name]) <= 0.51 * scale[:, None, None, None]).all()


def test_a_range_is_the_mean_of_the_extremes_of_batches(tiny_encoder: Path) -> None:
    model = onnx.load(tiny_encoder)
    pictures = np.random.default_rng(3).integers(0, 256, (24, SIDE, SIDE, 3), np.uint8)
    scale = tensors(quantized(model, pictures))["backbone/a1_scale"]
    model.graph.output.append(helper.make_tensor_value_info("backbone/a1", 1, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    maps = [session.run(["backbone/a1"], {IMAGES: pictures[at : at + 8]})[0] for at in (0, 8, 16)]
    low, high = np.mean([m.min() for m in maps]), np.mean([m.max() for m in maps])
    assert float(scale) == pytest.approx((high - low) / 255, rel=1e-5)


def test_integer_kernels_compute_what_the_graph_says(both: tuple[Path, Path], photos: Path) -> None:
    """ONNX Runtime fuses to integer kernels; unfused, the same graph runs in float."""
    data = both[1].read_bytes()
    plain = ort.SessionOptions()
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    pictures = draw(find_images([photos]), SIDE, Silent()).compared
    fused, unfused = (
        ort.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(
            [EMBEDDING], {IMAGES: pictures}
        )[0]
        for options in (ort.SessionOptions(), plain)
    )
    assert np.abs(fused - unfused).max() < INT8_TOLERANCE


def test_the_same_pictures_give_the_same_file(
    tiny_encoder: Path, photos: Path, tmp_path: Path
) -> None:
    files = [
        export_encoder(
            tiny_encoder, tmp_path / name / "e.onnx", precision="int8", calibrate_on=[photos]
        )
        for name in "ab"
    ]
    assert files[0].sha256 == files[1].sha256
    assert files[0].speed is not None
    assert files[0].speed > 0


def test_a_run_and_its_file_are_reduced_to_the_same(
    both: tuple[Path, Path], photos: Path, tmp_path: Path
) -> None:
    report = export_encoder(
        both[0], tmp_path / "e.onnx", precision="int8", calibrate_on=[photos], force=True
    )
    assert report.path.read_bytes() == both[1].read_bytes()


def test_a_network_that_does_not_bear_it_is_refused_unless_forced(
    photos: Path, tmp_path: Path
) -> None:
    wild, out = wild_encoder(tmp_path / "wild.onnx"), tmp_path / "out" / "encoder.onnx"
    with pytest.raises(ClrSearchError, match=r"With int8 weights only [0-9.]+% of the ten"):
        export_encoder(wild, out, precision="int8", calibrate_on=[photos])
    assert not out.parent.exists()
    arguments = ["--precision", "int8", "--calibrate", str(photos), "--out", str(out)]
    result = CliRunner().invoke(main, ["export", str(wild), *arguments, "--force"])
    assert result.exit_code == 0, result.output
    assert "of the ten nearest neighbours stay the same: written all the same" in result.output
    agreement = read_model(out).card.agreement
    assert agreement is not None
    assert agreement < 0.95
    assert Encoder(out).check() <= INT8_TOLERANCE


def test_a_network_of_one_convolution_has_nothing_to_quantize(tiny_encoder: Path) -> None:
    with pytest.raises(ClrSearchError, match="2 convolutions: none is left to quantize"):
        quantized(
            onnx.load(tiny_encoder), np.zeros((8, SIDE, SIDE, 3), np.uint8), Scheme(in_float=2)
        )


def test_a_graph_without_pixels_is_not_ours(tiny_encoder: Path) -> None:
    model = onnx.load(tiny_encoder)
    for part in model.graph.node:
        part.input[:] = [name.replace(PIXELS, "other") for name in part.input]
        part.output[:] = [name.replace(PIXELS, "other") for name in part.output]
    with pytest.raises(ClrSearchError, match="no tensor named pixels"):
        quantized(model, np.zeros((8, SIDE, SIDE, 3), np.uint8))


def test_pictures_are_needed(tiny_encoder: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none are given"):
        export_encoder(tiny_encoder, tmp_path / "e.onnx", precision="int8")
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(photos.iterdir())[:LEAST]:
        (few / file.name).write_bytes(file.read_bytes())
    assert draw(find_images([few]), SIDE, Silent()).compared.shape == (LEAST // 2, SIDE, SIDE, 3)
    (few / "000.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="64 pictures or more, and 63 can be read"):
        export_encoder(tiny_encoder, tmp_path / "e.onnx", precision="int8", calibrate_on=[few])
    assert not (tmp_path / "e.onnx").exists()


def test_pictures_that_nothing_is_calibrated_on_are_refused(
    tiny_encoder: Path, photos: Path, tmp_path: Path
) -> None:
    """Those of --whiten are the default of --calibrate, and no wish to calibrate."""
    run = write_initial_run(TrainConfig(image_size=SIDE, width=0.25), tmp_path / "run")
    out = tmp_path / "e.onnx"
    words = "--calibrate is of weights that are reduced, and these stay as they are"
    with pytest.raises(UsageError, match=words):
        export_encoder(tiny_encoder, out, portable=True, calibrate_on=[photos])
    for options in ({}, {"portable": True}, {"whiten_on": [photos]}):
        with pytest.raises(UsageError, match=words):
            export_run(run, out, calibrate_on=[photos], **options)
    arguments = [str(run), "--out", str(out), "--calibrate", str(photos)]
    result = CliRunner().invoke(main, ["export", *arguments])
    assert (result.exit_code, words in result.output) == (2, True), result.output
    assert not out.exists()
    assert pictures_for("fp32", [], [photos]) == []
    assert len(pictures_for("fp16", [photos])) == 160


def test_pictures_to_compare_on_are_not_calibrated_on(photos: Path, tmp_path: Path) -> None:
    files = find_images([photos])
    found = draw(files, SIDE, Silent())
    assert (len(found.calibrating), len(found.compared), found.skipped) == (80, 80, 0)
    rows = {picture.tobytes() for picture in (*found.calibrating, *found.compared)}
    assert len(rows) == 160
    again, other = draw(files, SIDE, Silent()), draw(files, SIDE, Silent(), seed=1)
    assert np.array_equal(found.calibrating, again.calibrating)
    assert not np.array_equal(found.calibrating, other.calibrating)


def test_what_cannot_be_reduced(
    both: tuple[Path, Path], tiny_encoder: Path, photos: Path, tmp_path: Path
) -> None:
    out, probe = tmp_path / "e.onnx", tmp_path / "probe.onnx"
    coefficients, intercept = np.zeros((2, 16), np.float32), np.zeros(2, np.float32)
    model = read_model(tiny_encoder)
    probe.write_bytes(with_classifier(model, ["a", "b"], coefficients, intercept, 0.5))
    with pytest.raises(UsageError, match="has int8 weights, which cannot become fp16"):
        export_encoder(both[1], out, precision="fp16")
    with pytest.raises(UsageError, match="has fp32 weights, which cannot become fp32"):
        export_encoder(tiny_encoder, out, precision="fp32")
    with pytest.raises(UsageError, match="is a probe"):
        export_encoder(probe, out, precision="int8", calibrate_on=[photos])
    result = CliRunner().invoke(
        main, ["export", str(tiny_encoder), "--out", str(out), "--image-size", "64"]
    )
    assert result.exit_code == 2
    assert "its name, licence, image size and features are settled" in result.output


def test_on_the_command_line(tiny_encoder: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in photos.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.png").write_bytes(b"no picture")
    half, out = tmp_path / "half" / "e.onnx", tmp_path / "eight" / "e.onnx"
    runner = CliRunner()
    result = runner.invoke(
        main, ["export", str(tiny_encoder), "--precision", "fp16", "--out", str(half), "--json"]
    )
    assert result.exit_code == 0, result.output
    assert read_model(half).card.precision == "fp16"
    arguments = ["--precision", "int8", "--calibrate", str(folder), "--out", str(out)]
    result = runner.invoke(main, ["export", str(half), *arguments])
    assert result.exit_code == 0, result.output
    assert "1 pictures could not be read, and were left out." in result.output
    assert "Calibrating on 80 pictures" in result.output
    assert "% of ten neighbours the same" in result.output
    assert " times as fast on a core of this machine" in result.output
    shown = runner.invoke(main, ["info", str(out), "--check"]).output
    card = read_model(out).card
    assert f"agreement         {card.agreement:.4g}" in shown
    assert "precision         int8" in shown


def test_reducing_needs_no_torch() -> None:
    code = "import sys, clr_search.export.reduce; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
