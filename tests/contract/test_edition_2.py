"""Edition 2 lets imported graphs hold what networks are made of elsewhere, within limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from clr_search.contract.model_file import read_model
from clr_search.errors import UsageError
from clr_search.images import Frame
from clr_search.serve.encoder import Encoder


def changed(
    source: Path,
    target: Path,
    nodes: Sequence[onnx.NodeProto] = (),
    tensors: Sequence[onnx.TensorProto] = (),
    edition: int = 2,
    **card: object,
) -> Path:
    """An encoder of edition 2 whose embedding passes through more nodes, as `honest`."""
    model = onnx.load(source)
    if nodes:
        for node in model.graph.node:
            for number, output in enumerate(node.output):
                if output == "embedding":
                    node.output[number] = "honest"
        model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    domains = {node.domain for node in nodes} - {""}
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    values = {item.key: item.value for item in model.metadata_props}
    values |= {f"clr_search.{name}": json.dumps(value) for name, value in card.items()}
    values["clr_search.contract_version"] = str(edition)
    del model.metadata_props[:]
    helper.set_model_props(model, values)
    target.write_bytes(model.SerializeToString())
    return target


def branch(*inner: onnx.NodeProto, tensors: Sequence[onnx.TensorProto] = ()) -> onnx.NodeProto:
    """An If, always true, whose branches both give `chosen`."""
    out = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, ["N", "D"])
    other = helper.make_node("Identity", ["honest"], ["chosen"])
    return helper.make_node(
        "If",
        ["yes"],
        ["embedding"],
        then_branch=helper.make_graph(list(inner), "then", [], [out], list(tensors)),
        else_branch=helper.make_graph([other], "else", [], [out]),
    )


YES = numpy_helper.from_array(np.array(True), "yes")
PLAIN = helper.make_node("Identity", ["honest"], ["chosen"])


def test_branches_are_of_edition_2_only(tiny_encoder: Path, tmp_path: Path) -> None:
    path = changed(tiny_encoder, tmp_path / "x.onnx", [branch(PLAIN)], [YES], imported=True)
    assert read_model(path).card.imported
    assert Encoder(path, device="cpu").check() < 1e-4
    changed(tiny_encoder, path, [branch(PLAIN)], [YES], edition=1)
    with pytest.raises(UsageError, match="graphs within its nodes"):
        read_model(path)


def test_operators_of_onnx_runtime_are_allowed_by_name(tiny_encoder: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    gelu = helper.make_node("QuickGelu", ["honest"], ["embedding"], domain="com.microsoft")
    read_model(changed(tiny_encoder, path, [gelu]))
    changed(tiny_encoder, path, [gelu], edition=1)
    with pytest.raises(UsageError, match=r"outside standard ONNX: com\.microsoft"):
        read_model(path)
    other = helper.make_node("Tokenizer", ["honest"], ["embedding"], domain="com.microsoft")
    changed(tiny_encoder, path, [other])
    with pytest.raises(UsageError, match=r"com\.microsoft\.Tokenizer"):
        read_model(path)


def test_what_is_forbidden_is_found_at_any_depth(tiny_encoder: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    foreign = helper.make_node("Anything", ["honest"], ["chosen"], domain="elsewhere")
    model = onnx.load(changed(tiny_encoder, path, [branch(foreign)], [YES]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="outside standard ONNX: elsewhere"):
        read_model(path)
    outside = onnx.TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    changed(tiny_encoder, path, [branch(PLAIN, tensors=[outside])], [YES])
    with pytest.raises(UsageError, match="keeps weights in another file"):
        read_model(path)


def test_costly_tensors_are_found_at_any_depth(tiny_encoder: Path, tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([30_000, 30_000]), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
        helper.make_node("Add", ["honest", "most"], ["chosen"]),
    ]
    path = tmp_path / "x.onnx"
    changed(tiny_encoder, path, [branch(*nodes, tensors=[shape])], [YES])
    assert path.stat().st_size < 1e6
    with pytest.raises(UsageError, match=r"asks for a tensor of 30,000 × 30,000"):
        read_model(path)


def test_weights_that_are_larger_than_a_tensor_may_be_are_refused(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    """A product with a large weight is sized though the weight itself is left out of inference."""
    column = numpy_helper.from_array(np.zeros((40_000, 1), np.float32), "column")
    row = numpy_helper.from_array(np.zeros((1, 40_000), np.float32), "row")
    nodes = [
        helper.make_node("MatMul", ["column", "row"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
        helper.make_node("Add", ["honest", "most"], ["embedding"]),
    ]
    path = changed(tiny_encoder, tmp_path / "x.onnx", nodes, [column, row])
    with pytest.raises(UsageError, match=r"asks for a tensor of 40,000 × 40,000"):
        read_model(path)


def test_the_geometry_is_in_the_card(tiny_encoder: Path, tmp_path: Path) -> None:
    path = changed(tiny_encoder, tmp_path / "x.onnx", fit="pad", filter="bicubic", ground=[1, 2, 3])
    card = read_model(path).card
    assert card.frame == Frame(card.image_size, "pad", "bicubic", (1, 2, 3))
    assert Encoder(path, device="cpu").frame == card.frame


@pytest.mark.parametrize(
    "card",
    [{"fit": "stretch"}, {"filter": 1}, {"ground": [1, 2]}, {"ground": [0, 0, 256]},
     {"imported": "yes"}],
)  # fmt: skip
def test_a_geometry_that_is_none_is_refused(
    tiny_encoder: Path, tmp_path: Path, card: dict[str, object]
) -> None:
    path = changed(tiny_encoder, tmp_path / "x.onnx", **card)
    with pytest.raises(UsageError, match="unreadable metadata"):
        read_model(path)


def test_a_later_edition_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    path = changed(tiny_encoder, tmp_path / "x.onnx", edition=3)
    with pytest.raises(UsageError, match="this release reads 1 and 2"):
        read_model(path)
