"""The contract refuses what it must, and its metadata survives the round trip."""

from __future__ import annotations

import json
import random
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from bench.fuzz.damage import mutated
from bench.made import write_tiny_encoder
from clr_search.contract.card import Card
from clr_search.contract.model_file import read_model
from clr_search.errors import UsageError

text = st.text(max_size=30)
fraction = st.none() | st.floats(0, 1)


@given(
    st.builds(
        Card,
        name=text,
        image_size=st.integers(1, 512),
        embedding_dim=st.integers(1, 4096),
        architecture=text,
        training_data=text,
        epochs=st.integers(0, 10_000),
        temperature=st.floats(0.001, 100),
        knn_accuracy=fraction,
        probe_accuracy=fraction,
        classes=st.lists(text, max_size=5).map(tuple),
        golden_size=st.tuples(st.integers(2, 5000), st.integers(2, 5000)),
        golden=st.lists(st.floats(-1, 1, width=32), max_size=8).map(tuple),
    )
)
def test_card_survives_the_round_trip(card: Card) -> None:
    assert Card.from_metadata(card.to_metadata(), Path("x.onnx")) == card


def test_summary_has_everything_but_the_golden_vector() -> None:
    card = Card("n", 32, 16, "a", golden=(1.0,))
    assert "golden" not in card.summary()
    assert card.summary()["embedding_dim"] == 16
    json.dumps(card.summary())


def test_reads_what_conforms(tiny_encoder: Path) -> None:
    model = read_model(tiny_encoder)
    assert model.card.name == "tiny"
    assert model.data == tiny_encoder.read_bytes()
    assert len(model.sha256) == 64


def test_a_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Case 692 of `bench.fuzz`: such a text is decoded, and fails, only where it is read."""
    good = write_tiny_encoder(tmp_path / "good.onnx").read_bytes()
    path = tmp_path / "damaged.onnx"
    path.write_bytes(mutated(good, random.Random("models 0 692")))
    with pytest.raises(UsageError, match=r"damaged\.onnx is not a whole ONNX file: a text"):
        read_model(path)


def altered(tiny_encoder: Path, tmp_path: Path, change: object) -> Path:
    model = onnx.load(tiny_encoder)
    assert callable(change)
    change(model)
    path = tmp_path / "altered.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def external_in_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["secret"], ["o"])], "inner", [], [])
    tensor = inner.initializer.add(name="secret", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
    )


def branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["c"], ["o"])], "inner", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
    )


def graph_without_nodes(model: onnx.ModelProto) -> None:
    inner = onnx.GraphProto(name="inner")
    inner.sparse_initializer.append(elsewhere())
    model.graph.node[0].attribute.append(helper.make_attribute("body", inner))


def elsewhere() -> onnx.SparseTensorProto:
    """A sparse tensor whose values lie in another file."""
    values = TensorProto(name="sparse", data_type=TensorProto.FLOAT, dims=[1])
    values.data_location = TensorProto.EXTERNAL
    values.external_data.add(key="location", value="../../../etc/passwd")
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    return helper.make_sparse_tensor(values, indices, [4])


def sparse_weights(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(elsewhere())


def sparse_constant(model: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.append(helper.make_attribute("sparse_value", elsewhere()))
    model.graph.node.append(constant)


def sparse_constants(model: onnx.ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.append(helper.make_attribute("sparse_values", [elsewhere()]))
    model.graph.node.append(constant)


def set_metadata(key: str, value: str):  # type: ignore[no-untyped-def]
    def change(model: onnx.ModelProto) -> None:
        for item in model.metadata_props:
            if item.key == f"clr_search.{key}":
                item.value = value

    return change


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "pixels"


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "z"


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def custom_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    model.graph.node.append(helper.make_node("Run", ["a"], ["b"], domain="com.evil"))


def old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 17


def no_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external, "keeps weights in another file"),
        (external_in_a_branch, "keeps weights in another file"),
        (branch, "graphs within its nodes"),
        (graph_without_nodes, "graphs within its nodes"),
        (sparse_weights, "holds sparse tensors"),
        (sparse_constant, "holds sparse tensors"),
        (sparse_constants, "holds sparse tensors"),
        (custom_operator, "com.evil"),
        (old_opset, "opset 17"),
        (no_metadata, "no encoder of clr-search yet"),
        (set_metadata("contract_version", "99"), "contract version 99"),
        (set_metadata("image_size", "{"), "unreadable metadata"),
        (set_metadata("classes", "[" * 100_000), "unreadable metadata"),
        (set_metadata("image_size", "100000"), "its image size is 100000"),
        (set_metadata("image_size", "0"), "its image size is 0"),
        (set_metadata("image_size", '"big"'), "unreadable metadata (image_size is 'big')"),
        (set_metadata("embedding_dim", "1000000000"), "length of the embedding is 1000000000"),
        (set_metadata("golden", "!"), "unreadable metadata"),
        (set_metadata("golden_size", "61"), "unreadable metadata"),
        (set_metadata("golden_size", "[61]"), "golden picture is not of two sides"),
        (set_metadata("golden_size", "[61, 97, 3]"), "golden picture is not of two sides"),
        (set_metadata("golden_size", "[61.0, 97.0]"), "golden_size holds something else than int"),
        (set_metadata("golden_size", '"99"'), "golden_size is '99'"),
        (set_metadata("golden_size", "[61, 1]"), "golden picture is not of two sides"),
        (set_metadata("golden_size", "[-9, -9]"), "golden picture is not of two sides"),
        (set_metadata("golden_size", "[100000, 100000]"), "with 50,000,000 pixels at most"),
        (set_metadata("embedding_dim", "17"), "breaks the contract: its outputs"),
        (rename_input, "breaks the contract: its inputs are pixels"),
        (rename_output, "breaks the contract: its outputs are z"),
        (float_input, "float"),
        (fixed_batch, "1, ?, ?, 3"),
    ],
)
def test_refuses(tiny_encoder: Path, tmp_path: Path, change: object, message: str) -> None:
    path = altered(tiny_encoder, tmp_path, change)
    with pytest.raises(UsageError) as caught:
        read_model(path)
    assert message in caught.value.what
    assert str(path) in caught.value.what


@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1])
def test_refuses_truncated_files(tiny_encoder: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_encoder.read_bytes()[:length])
    with pytest.raises(UsageError, match=r"cut\.onnx"):
        read_model(path)


def test_refuses_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no model file"):
        read_model(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello, world")
    with pytest.raises(UsageError, match=r"text\.onnx"):
        read_model(tmp_path / "text.onnx")
