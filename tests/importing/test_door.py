"""What is written has the vectors of the original; what cannot be is refused by one sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from clr_search.contract.model_file import read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.images import Frame
from clr_search.importing.door import import_encoder
from clr_search.importing.recipe import Recipe
from clr_search.index import Index
from clr_search.serve.encoder import Encoder
from tests.importing.made import CHANNELS, SIDE, network
from tests.tiny import write_pictures

IMAGENET = Recipe(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def by_hand(source: Path, picture: np.ndarray, *, bgr: bool, scale: float) -> np.ndarray:
    """The vector of a picture of SIDE × SIDE pixels, by the file itself."""
    from clr_search.contract.runtime import open_session

    pixels = picture.astype(np.float32) * np.float32(scale)
    prepared = (pixels[..., ::-1] if bgr else pixels).transpose(2, 0, 1)[None]
    session = open_session(source.read_bytes())
    (row,) = session.run(["vector"], {"input": np.ascontiguousarray(prepared)})[0]
    return row / np.linalg.norm(row)


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 20])
def test_any_opset_is_raised(tmp_path: Path, opset: int) -> None:
    source = network(tmp_path / "net.onnx", opset=opset)
    report = import_encoder(source, tmp_path / "out.onnx", asked=IMAGENET)
    assert report.parity.least > 0.9999
    assert (tmp_path / "golden.json").exists()
    model = read_model(tmp_path / "out.onnx")
    assert (model.card.imported, model.card.contract_version) == (True, 2)
    assert "net.onnx, SHA-256" in model.card.origin
    assert Encoder(model, device="cpu").check() < 1e-4


@pytest.mark.parametrize("bgr", [False, True])
def test_the_vectors_are_those_of_the_file(tmp_path: Path, bgr: bool) -> None:
    source = network(tmp_path / "net.onnx")
    asked = Recipe(scale=1.0, channels="bgr" if bgr else "rgb")
    import_encoder(source, tmp_path / "out.onnx", asked=asked)
    picture = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    (row,) = Encoder(tmp_path / "out.onnx", device="cpu").encode(picture)
    np.testing.assert_allclose(row, by_hand(source, picture, bgr=bgr, scale=1), atol=1e-5)


def test_channels_last_half_precision_and_a_wide_frame(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx", nhwc=True, kind=TensorProto.FLOAT16)
    asked = Recipe(resize=40, fit="squash", filter="bicubic") | IMAGENET
    report = import_encoder(source, tmp_path / "out.onnx", asked=asked)
    assert (report.recipe.layout, report.recipe.image_size) == ("nhwc", SIDE)
    assert report.written.card.frame == Frame(40, "squash", "bicubic")


@pytest.mark.parametrize("pool", ["mean", "gem", "none"])
def test_an_inner_map_is_pooled(tmp_path: Path, pool: Any) -> None:
    source = network(tmp_path / "net.onnx")
    asked = Recipe(output="map", pool=pool) | IMAGENET
    report = import_encoder(source, tmp_path / "out.onnx", asked=asked)
    assert report.written.card.embedding_dim == CHANNELS * (256 if pool == "none" else 1)


def test_portable_and_half_precision(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx")
    asked = Recipe(fit="pad", filter="bicubic", ground=(9, 9, 9)) | IMAGENET
    plain = import_encoder(source, tmp_path / "plain.onnx", asked=asked)
    other = import_encoder(
        source, tmp_path / "other.onnx", asked=asked, portable=True, precision="fp16", force=True
    )
    assert (other.written.card.resize, other.written.card.precision) == ("MatMul", "fp16")
    assert not any(n.op_type == "Resize" for n in onnx.load(other.written.path).graph.node)
    picture = np.random.default_rng(1).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    rows = [Encoder(r.written.path, device="cpu").encode(picture)[0] for r in (plain, other)]
    assert rows[0] @ rows[1] > 0.9999


def test_whitening_evens_the_vectors_out(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures")
    source = network(tmp_path / "net.onnx")
    plain = import_encoder(source, tmp_path / "plain.onnx", asked=IMAGENET)
    other = import_encoder(
        source, tmp_path / "white.onnx", asked=IMAGENET, whiten_on=[folder], force=True
    )
    assert "whitened on 36 images" in other.written.card.descriptor
    files = sorted(folder.rglob("*.*g"))
    means = [
        float(np.linalg.norm(Encoder(r.written.path, device="cpu").encode(files).mean(axis=0)))
        for r in (plain, other)
    ]
    assert means[1] < means[0]


def test_weights_beside_the_file_are_folded_in(tmp_path: Path) -> None:
    source = network(tmp_path / "in" / "net.onnx")
    model = onnx.load(source)
    onnx.save(model, source, save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "in" / "net.data").exists()
    import_encoder(source, tmp_path / "out.onnx", asked=IMAGENET)
    assert Encoder(tmp_path / "out.onnx", device="cpu").check() < 1e-4
    (tmp_path / "in" / "net.data").unlink()
    with pytest.raises(UsageError, match=r"'net\.data', which is no file in its folder"):
        import_encoder(source, tmp_path / "out.onnx", asked=IMAGENET, force=True)


def test_weights_elsewhere_are_not_read(tmp_path: Path) -> None:
    source = network(tmp_path / "in" / "net.onnx")
    model = onnx.load(source)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../secret")
    source.write_bytes(model.SerializeToString())
    (tmp_path / "secret").write_bytes(bytes(CHANNELS * 27 * 4))
    with pytest.raises(UsageError, match="no file in its folder"):
        import_encoder(source, tmp_path / "out.onnx", asked=IMAGENET)


def test_a_collection_works_with_it(tmp_path: Path) -> None:
    """Files, bytes and arrays go through the same geometry, to the same vector."""
    folder = write_pictures(tmp_path / "pictures")
    asked = Recipe(resize=40, fit="centre", filter="bicubic") | IMAGENET
    import_encoder(network(tmp_path / "net.onnx"), tmp_path / "out.onnx", asked=asked)
    file = sorted(folder.rglob("*.png"))[0]
    with Index.create(tmp_path / "c.clr", tmp_path / "out.onnx") as index:
        index.update([folder])
        stored = index.embeddings()
        pixels = np.asarray(Image.open(file).convert("RGB"))
        kept = stored.vectors[[Path(path).name for path in stored.paths].index(file.name)]
        for picture in (file, file.read_bytes(), pixels):
            assert index.encoder.encode(picture)[0] @ kept > 0.9999
            assert round(index.search(picture, k=1)[0].score, 3) == 1


def node(operator: str, *inputs: str, out: str = "changed", **more: Any) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [out], **more)


ZERO = np.array(0, np.float32)


@pytest.mark.parametrize(
    ("made", "asked", "sentence"),
    [
        ({"outputs": ["map", "vector"]}, {}, "has several outputs: map .*; vector"),
        ({}, {"output": "nothing"}, "has no tensor 'nothing'"),
        ({}, {"image_size": 64}, "reads image size 32, which its graph settles"),
        ({}, {"pool": "mean"}, "is a vector already"),
        ({}, {"output": "map", "pool": "cls"}, "has no class token"),
        ({}, {"resize": 16}, "16 pixels, and 32 are cut"),
        ({}, {"std": (1.0, 0.0, 1.0)}, "not all above 0"),
        (
            {"more": [node("Div", "vector", "zero")], "outputs": ["changed"],
             "constants": {"zero": ZERO}},
            {}, "numbers that are not finite",
        ),
        (
            {"more": [node("ReduceMean", "vector", out="all", axes=[0], keepdims=1),
                      node("Sub", "vector", "all")], "outputs": ["changed"]},
            {}, "nothing but zeros",
        ),
        (
            {"more": [node("ReduceMax", "vector", out="all", axes=[0], keepdims=1),
                      node("Add", "vector", "all")], "outputs": ["changed"]},
            {}, "another vector among other pictures",
        ),
        (
            {"batch": 1, "more": [node("Reshape", "vector", "one")], "outputs": ["changed"],
             "constants": {"one": np.array([1, CHANNELS])}},
            {}, "takes one picture at a time",
        ),
        (
            {"more": [node("Secret", "vector", domain="acme")], "outputs": ["changed"]},
            {}, r"operators outside standard ONNX: acme\.Secret",
        ),
        (
            {"more": [node("QuantizeLinear", "vector", "step"),
                      node("DequantizeLinear", "changed", "step", out="back")],
             "outputs": ["back"], "constants": {"step": np.array(1, np.float32)}},
            {}, r"is quantised already \(DequantizeLinear, QuantizeLinear\)",
        ),
        (
            {"more": [node("Mul", "vector", "other")], "outputs": ["changed"],
             "inputs": [helper.make_tensor_value_info("other", 1, [1])]},
            {}, "does not read pictures alone",
        ),
        (
            {"more": [node("ReduceMean", "vector", axes=[1], keepdims=1)],
             "outputs": ["changed"]},
            {}, "has 1 numbers",
        ),
    ],
)  # fmt: skip
def test_a_sentence_for_each_refusal(
    tmp_path: Path, made: dict[str, Any], asked: dict[str, Any], sentence: str
) -> None:
    source = network(tmp_path / "in" / "net.onnx", **made)
    with pytest.raises(ClrSearchError, match=sentence):
        import_encoder(source, tmp_path / "out.onnx", asked=Recipe(**asked) | IMAGENET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_an_inner_tensor_leaves_out_what_it_does_not_need(tmp_path: Path) -> None:
    """Another input and operators behind the tensor are of no account."""
    other = helper.make_tensor_value_info("other", 1, [1])
    more = [node("Mul", "vector", "other")]
    source = network(tmp_path / "n.onnx", more=more, outputs=["changed"], inputs=[other])
    import_encoder(source, tmp_path / "out.onnx", asked=Recipe(output="vector") | IMAGENET)


def test_what_is_no_network(tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UsageError, match="not a whole ONNX file"):
        import_encoder(tmp_path / "text.onnx", out)
    with pytest.raises(UsageError, match="There is no ONNX file"):
        import_encoder(tmp_path / "missing.onnx", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no ONNX file"):
        import_encoder(tmp_path / "empty", out)
    with (tmp_path / "huge.onnx").open("wb") as file:
        os.truncate(file.fileno(), 5 * 2**30)  # a sparse file, which takes no space
    with pytest.raises(UsageError, match=r"5\.0 GB .* ends at 2 GB"):
        import_encoder(tmp_path / "huge.onnx", out)
    assert not out.exists()


def test_a_grey_network_is_refused(tmp_path: Path) -> None:
    source = network(tmp_path / "net.onnx")
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    source.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="pictures of three colours"):
        import_encoder(source, tmp_path / "out.onnx")


def test_existing_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "out.onnx").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        import_encoder(network(tmp_path / "net.onnx"), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_text() == "mine"


def test_the_comparison_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is fed otherwise than the original is not written."""
    from clr_search.importing.recipe import Preprocessing

    honest = Preprocessing.documented
    monkeypatch.setattr(
        Preprocessing, "documented", lambda plan, picture: honest(plan, picture[..., ::-1])
    )
    with pytest.raises(ClrSearchError, match="other vectors than by its own preprocessing"):
        import_encoder(network(tmp_path / "net.onnx"), tmp_path / "out.onnx", asked=IMAGENET)
    assert not (tmp_path / "out.onnx").exists()


def test_own_pictures_are_compared_too(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures")
    source = network(tmp_path / "net.onnx")
    report = import_encoder(source, tmp_path / "out.onnx", asked=IMAGENET, pictures=[folder])
    assert report.parity.pictures == 8 + 18
