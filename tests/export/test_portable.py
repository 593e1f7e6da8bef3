"""Portable encoders: the same vectors, also from a runtime whose `Resize` has no antialiasing."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from clr_search.cli.main import main
from clr_search.contract.golden import check_golden, golden_picture, golden_size_for
from clr_search.contract.model_file import INT8_TOLERANCE, ModelFile, read_model
from clr_search.contract.runtime import open_session, vectors
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export import portable
from clr_search.export.graph import PIXELS, with_resize
from clr_search.export.onnx import export_run
from clr_search.export.reduce import export_encoder
from clr_search.export.sample import parity_pictures
from clr_search.serve import Encoder
from clr_search.serve.probe.graph import with_classifier
from clr_search.train.run import write_initial_run
from clr_search.train.settings.config import TrainConfig
from tests.contract.test_golden import without_antialiasing
from tests.export.test_node import check_same, node
from tests.export.test_node import run as run_node
from tests.export.test_quantize import photos

__all__ = ["node", "photos"]  # fixtures


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(image_size=40, width=0.25, seed=5)
    return write_initial_run(config, tmp_path_factory.mktemp("portable") / "run")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder that ships, made portable."""
    out = tmp_path_factory.mktemp("shipped") / "encoder.onnx"
    return export_encoder(shipped_encoder(), out, portable=True).path


@pytest.fixture(scope="module")
def tiny(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny") / "encoder.onnx"
    return export_encoder(tiny_encoder, out, portable=True).path


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


def test_the_same_vectors_and_card_but_another_file(shipped: Path) -> None:
    before, after = read_model(shipped_encoder()), read_model(shipped)
    assert "Resize" not in operators(shipped)
    assert (before.card.resize, after.card.resize) == ("Resize", "MatMul")
    assert replace(after.card, resize="Resize", golden=()) == replace(before.card, golden=())
    assert check_golden(after, np.array(before.card.golden, np.float32)) < 1e-6
    assert before.sha256 != after.sha256
    one, other = open_session(before.data, 1), open_session(after.data, 1)
    for pictures in parity_pictures(seed=1):
        assert np.abs(vectors(one, pictures) - vectors(other, pictures)).max() < 2e-6
    assert Encoder(shipped, threads=1).check() < 1e-6


def test_a_run_is_exported_so(run: Path, tmp_path: Path) -> None:
    """Of another size and precision; the file that was made plain first becomes the same."""
    plain, both = tmp_path / "plain" / "encoder.onnx", tmp_path / "both" / "encoder.onnx"
    export_run(run, plain, image_size=56)
    report = export_run(run, both, image_size=56, precision="fp16", portable=True)
    assert report.max_abs_difference is not None
    assert report.max_abs_difference < 1e-5
    card = read_model(both).card
    assert (card.resize, card.precision, card.image_size) == ("MatMul", "fp16", 56)
    assert "Resize" not in operators(both)
    again = export_encoder(plain, tmp_path / "c" / "e.onnx", precision="fp16", portable=True)
    assert again.path.read_bytes() == both.read_bytes()
    Encoder(both, threads=1).check()


def test_it_may_be_reduced_before_or_after(
    tiny_encoder: Path, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    def exported(source: Path, name: str, **options: object) -> ModelFile:
        out = tmp_path / name / "e.onnx"
        given = {"precision": "int8", "calibrate_on": [photos]} | options
        return read_model(export_encoder(source, out, **given).path)  # type: ignore[arg-type]

    at_once = exported(tiny_encoder, "at once", portable=True)
    after = exported(tiny, "after")
    eight = exported(tiny_encoder, "before").path
    before = exported(eight, "then", precision=None, calibrate_on=(), portable=True)
    assert at_once.sha256 == after.sha256
    assert onnx.load(before.path).graph == onnx.load(after.path).graph
    for model in (at_once, before):
        assert (model.card.resize, model.card.precision) == ("MatMul", "int8")
        assert "Resize" not in operators(model.path)
        assert Encoder(model.path, threads=1).check() <= INT8_TOLERANCE


def test_only_the_preprocessing_is_another(tiny_encoder: Path) -> None:
    model = onnx.load(tiny_encoder)
    there = with_resize(model, 32, "MatMul")
    assert there != model
    assert with_resize(there, 32, "Resize") == model


def test_what_is_not_to_be_changed_is_refused(
    tiny_encoder: Path, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    out, probe = tmp_path / "e.onnx", tmp_path / "probe.onnx"
    coefficients, intercept = np.zeros((2, 16), np.float32), np.zeros(2, np.float32)
    probe.write_bytes(
        with_classifier(read_model(tiny_encoder), ["a", "b"], coefficients, intercept, 0.5)
    )
    with pytest.raises(UsageError, match="is portable already"):
        export_encoder(tiny, out, portable=True)
    with pytest.raises(UsageError, match=r"would stay as it is.*or --portable"):
        export_encoder(tiny_encoder, out)
    with pytest.raises(UsageError, match="is a probe"):
        export_encoder(probe, out, portable=True)
    half = export_encoder(tiny_encoder, tmp_path / "half" / "e.onnx", precision="fp16").path
    with pytest.raises(UsageError, match="has fp16 weights, which cannot become fp32"):
        export_encoder(half, out, precision="fp32", portable=True)
    with pytest.raises(UsageError, match="none are given"):
        export_encoder(tiny_encoder, out, precision="int8", portable=True)
    assert not out.exists()


def test_other_vectors_are_not_written(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = without_antialiasing(tiny_encoder)
    monkeypatch.setattr(portable, "with_resize", lambda *_: wrong)
    with pytest.raises(ClrSearchError, match=r"vectors that are off by [0-9.e-]+ \(allowed 1e-04"):
        export_encoder(tiny_encoder, tmp_path / "e.onnx", portable=True)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_without_our_preprocessing_is_refused(tiny_encoder: Path) -> None:
    model = onnx.load(tiny_encoder)
    for part in model.graph.node:
        for names in (part.input, part.output):
            names[:] = [n.replace(PIXELS, "p").replace("preprocessing/", "pre/") for n in names]
    with pytest.raises(ClrSearchError, match="no preprocessing that makes pixels"):
        with_resize(model, 32, "MatMul")


def test_files_that_do_not_tell_use_the_operator(tiny_encoder: Path) -> None:
    keys = {item.key for item in onnx.load(tiny_encoder).metadata_props}
    assert "clr_search.resize" not in keys
    assert read_model(tiny_encoder).card.resize == "Resize"


def test_on_the_command_line(run: Path, tmp_path: Path) -> None:
    def told(*arguments: str | Path) -> str:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return result.output

    out = tmp_path / "portable.onnx"
    shown = told("export", "default", "--out", out, "--portable")
    assert "The vectors differ by " in shown
    assert "resize            MatMul" in shown
    assert "weights           fp16" in shown, "as they were"
    assert "resize            MatMul" in told("info", out, "--check")
    assert "resize            Resize" in told("info", "default")
    facts = json.loads(told("export", run, "--out", out, "--portable", "--force", "--json"))
    assert (facts["card"]["resize"], facts["card"]["precision"]) == ("MatMul", "fp32")
    assert facts["max_abs_difference"] < 1e-5


@pytest.mark.node
def test_node_gives_the_same_vectors(node: str, tiny: Path, shipped: Path, tmp_path: Path) -> None:
    for encoder in (tiny, shipped):
        check_same(node, encoder, tmp_path)
        done = run_node(node, "check.mjs", encoder, encoder.with_name("golden.json"))
        assert (done.returncode, done.stdout.split(":")[0]) == (0, "right"), done.stderr


@pytest.fixture(scope="module")
def openvino() -> None:
    if importlib.util.find_spec("openvino"):
        return
    if os.environ.get("CI"):
        pytest.fail("There is no openvino.")
    pytest.skip("no openvino")


def by_openvino(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    from openvino import Core

    compiled = Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: NDArray[np.float32] = compiled([pictures])["embedding"].copy()
    return found


@pytest.mark.usefixtures("openvino")
def test_openvino_passes_the_check_of_portable_files_only(shipped: Path) -> None:
    plain, model = read_model(shipped_encoder()), read_model(shipped)
    picture = golden_picture(golden_size_for(model.card.image_size))[None]
    assert check_golden(model, by_openvino(shipped, picture)[0]) < 1e-5
    with pytest.raises(ClrSearchError, match="does not give its golden vector here"):
        check_golden(plain, by_openvino(plain.path, picture)[0])


@pytest.mark.usefixtures("openvino")
@pytest.mark.parametrize("which", ["shipped", "tiny"])
def test_openvino_gives_the_vectors_of_pictures_of_any_shape(
    which: str, shipped: Path, tiny: Path
) -> None:
    path = shipped if which == "shipped" else tiny
    session = open_session(path.read_bytes(), 1)
    for pictures in parity_pictures():
        off = np.abs(by_openvino(path, pictures) - vectors(session, pictures)).max()
        assert off < 1e-5, pictures.shape
