"""The golden picture tells a runtime that computes something else, and no other."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.contract.card import GOLDEN_SIZE
from clr_search.contract.golden import check_golden, golden_json, golden_picture, golden_size_for
from clr_search.contract.model_file import EMBEDDING, IMAGES, MOST_GOLDEN, MOST_PIXELS, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import ClrSearchError
from clr_search.export.reduce import export_encoder
from clr_search.files.finding.find import find_images
from clr_search.serve import Encoder
from clr_search.serve.probe import fit_probe, save_probe
from tests.tiny import write_tiny_encoder


def test_golden_picture_is_fixed() -> None:
    picture = golden_picture(GOLDEN_SIZE)
    assert picture.shape == (61, 97, 3)
    assert picture.dtype == np.uint8
    # A checksum any language can compute: the sum over all bytes, and three pixels.
    assert int(picture.astype(np.int64).sum()) == 1872185
    assert picture[0, 0].tolist() == [0, 0, 25]
    assert picture[60, 96].tolist() == [0, 0, 25]
    assert picture[60, 95].tolist() == [252, 255, 230]
    assert sha256(picture.tobytes()).hexdigest() == (
        "e000e4a8817f378b975e6f77872b70c7e6274e824ad11ee6a10ab1acdc1f9280"
    )


@given(st.integers(1, MOST_PIXELS))
def test_the_graph_must_reduce_it(image_size: int) -> None:
    height, width = golden_size_for(image_size)
    assert 1.25 * image_size < height < width
    assert (height % 2, width % 2) == (1, 1)
    assert height >= GOLDEN_SIZE[0]
    assert height * width <= MOST_GOLDEN


@given(st.integers(2, 200), st.integers(2, 200))
def test_it_is_of_any_size(height: int, width: int) -> None:
    picture = golden_picture((height, width))
    assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8)
    assert np.ptp(picture[..., 0]) == np.ptp(picture[..., 1]) == 255


def test_sizes_of_today() -> None:
    assert [golden_size_for(size) for size in (1, 32, 46, 47, 96, 224)] == [
        (61, 97),
        (61, 97),
        (61, 97),
        (61, 97),
        (125, 199),
        (291, 463),
    ]


def test_golden_json_has_the_picture_and_the_vector(tmp_path: Path) -> None:
    model = read_model(write_tiny_encoder(tmp_path / "encoder.onnx", size=96))
    golden = json.loads(golden_json(model))
    picture = golden_picture(model.card.golden_size)
    pixels = np.frombuffer(base64.b64decode(golden["rgb_base64"]), np.uint8)
    assert np.array_equal(pixels.reshape(golden["height"], golden["width"], 3), picture)
    assert np.allclose(golden["embedding"], model.card.golden, atol=1e-7)
    assert (golden["height"], golden["width"]) == (125, 199)
    assert golden["model_sha256"] == model.sha256


def test_check_golden_accepts_and_refuses(tiny_encoder: Path) -> None:
    model = read_model(tiny_encoder)
    vector = np.array(model.card.golden, np.float32)
    assert check_golden(model, vector) == 0
    with pytest.raises(ClrSearchError, match="does not give its golden vector"):
        check_golden(model, vector + np.float32(2e-4))
    with pytest.raises(ClrSearchError, match="does not give its golden vector"):
        check_golden(model, vector * np.float32(np.nan))
    bare = replace(model, card=replace(model.card, golden=()))
    with pytest.raises(ClrSearchError, match="carries no golden vector"):
        check_golden(bare, vector)


def without_antialiasing(path: Path) -> onnx.ModelProto:
    """The graph as a runtime sees it that disregards `antialias`."""
    model = onnx.load(path)
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    kept = [part for part in resize.attribute if part.name not in ("antialias", "exclude_outside")]
    assert len(kept) == len(resize.attribute) - 2
    del resize.attribute[:]
    resize.attribute.extend(kept)
    return model


@pytest.mark.parametrize("which", ["shipped", "tiny", "small"])
def test_a_resize_without_antialiasing_shows(which: str, tmp_path: Path) -> None:
    encoder = shipped_encoder()
    if which != "shipped":
        size = 96 if which == "tiny" else 32
        encoder = write_tiny_encoder(tmp_path / "right.onnx", size=size)
    assert Encoder(encoder, threads=1).check() <= 1e-4
    path = tmp_path / "aliased.onnx"
    path.write_bytes(without_antialiasing(encoder).SerializeToString())
    with pytest.raises(ClrSearchError, match=r"off by \d\.\d+e-0[1-3], allowed 1e-04"):
        Encoder(path, threads=1).check()


def test_a_file_that_does_not_tell_the_size_has_the_old_picture(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "encoder.onnx", size=96)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    golden = session.run([EMBEDDING], {IMAGES: golden_picture((61, 97))[None]})[0][0]
    model = onnx.load(path)
    for item in list(model.metadata_props):
        if item.key == "clr_search.golden_size":
            model.metadata_props.remove(item)
        elif item.key == "clr_search.golden":
            item.value = base64.b64encode(golden.tobytes()).decode("ascii")
    old = tmp_path / "old.onnx"
    onnx.save(model, old)
    assert read_model(old).card.golden_size == (61, 97)
    assert Encoder(old, threads=1).check() <= 1e-6
    told = json.loads(golden_json(read_model(old)))
    assert (told["height"], told["width"]) == (61, 97)
    smaller = export_encoder(old, tmp_path / "small" / "encoder.onnx", precision="fp16").path
    assert read_model(smaller).card.golden_size == (125, 199)
    assert Encoder(smaller, threads=1).check() <= 1e-6


def test_a_probe_keeps_it(pictures: Path, tmp_path: Path) -> None:
    encoder = write_tiny_encoder(tmp_path / "encoder.onnx", size=96)
    files = [file.path for file in find_images([pictures])]
    labels = [path.parent.name for path in files]
    fitted = fit_probe(Encoder(encoder, threads=1).encode(files), labels)
    probe = save_probe(fitted, encoder, tmp_path / "probe.onnx")
    assert read_model(probe).card.golden_size == (125, 199)
    assert Encoder(probe, threads=1).check() <= 1e-6
