"""Small networks as other exporters write them, made node by node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
CHANNELS = 8


def network(
    path: Path,
    *,
    opset: int = 13,
    nhwc: bool = False,
    batch: int | str = "batch",
    kind: int = TensorProto.FLOAT,
    more: Sequence[onnx.NodeProto] = (),
    outputs: Sequence[str] = ("vector",),
    inputs: Sequence[onnx.ValueInfoProto] = (),
    constants: dict[str, np.ndarray] | None = None,
    seed: int = 0,
) -> Path:
    """A convolution, and the mean over its map: `map` [N, 8, 16, 16] and `vector` [N, 8]."""
    generator = np.random.default_rng(seed)
    number = {TensorProto.FLOAT16: np.float16}.get(kind, np.float32)
    weights = generator.normal(size=(CHANNELS, 3, 3, 3)).astype(number)
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2])
        if nhwc
        else helper.make_node("Identity", ["input"], ["planes"]),
        helper.make_node("Conv", ["planes", "weights"], ["conv"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["conv"], ["map"]),
    ]
    tensors = {"weights": weights, **(constants or {})}
    if opset < 18:
        nodes.append(helper.make_node("ReduceMean", ["map"], ["vector"], axes=[2, 3], keepdims=0))
    else:
        tensors["axes"] = np.array([2, 3])
        nodes.append(helper.make_node("ReduceMean", ["map", "axes"], ["vector"], keepdims=0))
    shape: list[Any] = [batch, SIDE, SIDE, 3] if nhwc else [batch, 3, SIDE, SIDE]
    graph = helper.make_graph(
        [*nodes, *more],
        "made",
        [helper.make_tensor_value_info("input", kind, shape), *inputs],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    domains = {node.domain for node in more} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
