"""A network is wrapped: preprocessing before it, pooling, whitening and the norm behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from clr_search.contract.card import Resize
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export.graph import FEATURES, NORM_FLOOR, PIXELS, assemble
from clr_search.export.resize import Part, joined
from clr_search.importing.foreign import dims_of, inputs_of, opset_of, spelt_list
from clr_search.importing.pooling import Pooling
from clr_search.importing.recipe import Preprocessing, Recipe

_PREFIX = "network/"
"""Prefix of the names of the network, so that they meet none of ours."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of one input and one output, and how it is run as its makers run it.

    Attributes
    ----------
    model : ModelProto
        The network as a graph, in an opset of the contract.
    run : callable
        Computes the output for prepared pictures by the original: the unchanged graph, or torch.
    """

    model: onnx.ModelProto
    run: Callable[[NDArray[np.float32]], NDArray[Any]]


def graph_recipe(model: onnx.ModelProto, path: Path) -> Recipe:
    """Return what the graph says of its input: its side and the order of its axes.

    Raises
    ------
    UsageError
        If the graph does not read one picture of three colours.
    """
    inputs = inputs_of(model.graph)
    sizes = dims_of(inputs[0]) if len(inputs) == 1 else []
    if len(inputs) != 1 or len(sizes) != 4:
        raise UsageError(
            f"{path} does not read pictures alone: its inputs are {spelt_list(inputs)}.",
            "Name an output that depends on pictures only (--output NAME), or export the part of "
            "the network that sees pictures.",
        )
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8)
    channels_last = sizes[3] == 3 and sizes[1] != 3
    sides = sizes[1:3] if channels_last else sizes[2:]
    colours = sizes[3] if channels_last else sizes[1]
    if colours not in (3, None) or inputs[0].type.tensor_type.elem_type not in kinds:
        raise UsageError(
            f"{path} does not read pictures of three colours: its input is {spelt_list(inputs)}.",
            "Import a network for RGB pictures.",
        )
    if None not in sides and sides[0] != sides[1]:
        raise UsageError(
            f"{path} reads pictures of {sides[0]} × {sides[1]} pixels, which is no square.",
            "Export the network for square pictures.",
        )
    layout = "nhwc" if channels_last else ("nchw" if sizes[1] == 3 else None)
    return Recipe(image_size=sides[0] or sides[1], layout=layout)  # type: ignore[arg-type]


def with_free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with any number of pictures as its input and output."""
    freed = onnx.ModelProto()
    freed.CopyFrom(model)
    (read,) = inputs_of(freed.graph)
    read.type.tensor_type.shape.dim[0].Clear()
    read.type.tensor_type.shape.dim[0].dim_param = "N"
    output = freed.graph.output[0]
    output.type.tensor_type.ClearField("shape")
    return freed


def backbone(
    model: onnx.ModelProto, plan: Preprocessing, pooling: Pooling, whitening: Part | None
) -> onnx.GraphProto:
    """Return the graph from `pixels`, [N, 3, S, S] in [0, 1], to `features`, [N, D].

    Parameters
    ----------
    model : ModelProto
        The network, whose batch is free.
    plan : Preprocessing
        What it reads.
    pooling : Pooling
        What is made of its output.
    whitening : Part, optional
        Nodes from `unwhitened`, [N, D], to `features`.
    """
    (read,) = inputs_of(model.graph)
    kind = read.type.tensor_type.elem_type
    entry, out = read.name, model.graph.output[0].name
    inner = compose.add_prefix_graph(model.graph, _PREFIX)
    before = _before(plan, kind, _PREFIX + entry)
    cast = helper.make_node("Cast", [_PREFIX + out], ["pool/input"], to=TensorProto.FLOAT)
    pooled = pooling.part("pool/input", FEATURES if whitening is None else "unwhitened")
    behind = joined([Part([cast], {}), pooled, *([whitening] if whitening else [])])
    constants = before.constants | behind.constants
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    side = plan.frame.size
    return helper.make_graph(
        [*before.nodes, *inner.node, *behind.nodes],
        "imported",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", None])],
        [*tensors, *inner.initializer],
    )


def _before(plan: Preprocessing, kind: int, target: str) -> Part:
    """Return the nodes from `pixels` to what the network reads."""
    node = helper.make_node
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, NDArray[Any]] = {}
    source = PIXELS

    def then(operator: str, *inputs: str, **attributes: Any) -> None:
        nonlocal source
        result = f"prepare/{len(nodes)}"
        nodes.append(node(operator, [source, *inputs], [result], **attributes))
        source = result

    if plan.crop != plan.frame.size:
        start = (plan.frame.size - plan.crop) // 2
        constants |= {
            "prepare/start": np.array([start, start], np.int64),
            "prepare/stop": np.array([start + plan.crop] * 2, np.int64),
            "prepare/axes": np.array([2, 3], np.int64),
        }
        then("Slice", "prepare/start", "prepare/stop", "prepare/axes")
    if plan.channels == "bgr":
        constants["prepare/bgr"] = np.array([2, 1, 0], np.int64)
        then("Gather", "prepare/bgr", axis=1)
    std = np.array(plan.std, np.float64)
    factor, shift = 255 * plan.scale / std, np.array(plan.mean, np.float64) / std
    for operator, values, idle in (("Mul", factor, 1.0), ("Sub", shift, 0.0)):
        if np.abs(values - idle).max() > 1e-9:
            name = f"prepare/{operator.lower()}"
            constants[name] = values.astype(np.float32).reshape(1, 3, 1, 1)
            then(operator, name)
    if plan.layout == "nhwc":
        then("Transpose", perm=[0, 2, 3, 1])
    nodes.append(node("Cast", [source], [target], to=kind))
    return Part(nodes, constants)


def whitening_part(mean: NDArray[np.float64], axes: NDArray[np.float64]) -> Part:
    """Return the nodes from `unwhitened` to `features`: scaled to unit norm, turned and damped.

    Parameters
    ----------
    mean : float64 array, shape (F,)
        Mean of the vectors.
    axes : float64 array, shape (F, D)
        The axes to project on as columns, scaled.
    """
    node = helper.make_node
    nodes = [
        node("ReduceL2", ["unwhitened", "whiten/last"], ["whiten/norm"], keepdims=1),
        node("Max", ["whiten/norm", "whiten/floor"], ["whiten/safe"]),
        node("Div", ["unwhitened", "whiten/safe"], ["whiten/unit"]),
        node("Gemm", ["whiten/unit", "whiten/axes", "whiten/bias"], [FEATURES]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "whiten/last": np.array([1], np.int64),
        "whiten/floor": np.array(NORM_FLOOR, np.float32),
        "whiten/axes": axes.astype(np.float32),
        "whiten/bias": -(mean @ axes).astype(np.float32),
    }
    return Part(nodes, constants)


def wrapped(
    network: Network,
    plan: Preprocessing,
    pooling: Pooling,
    dimension: int,
    resize: Resize = "Resize",
    whitening: Part | None = None,
) -> onnx.ModelProto:
    """Return the whole encoder, still without its card.

    Raises
    ------
    ClrSearchError
        If the parts do not fit together.
    """
    graph = backbone(with_free_batch(network.model), plan, pooling, whitening)
    domains = sorted({o.domain for o in network.model.opset_import} - {"", "ai.onnx"})
    used = {node.domain for node in graph.node}
    try:
        return assemble(
            graph,
            plan.frame,
            dimension,
            resize,
            opset=opset_of(network.model),
            domains=[domain for domain in domains if domain in used],
        )
    except Exception as error:  # the checker of onnx has errors of its own
        reason = (str(error).splitlines() or [""])[0][:300]
        raise ClrSearchError(
            f"The network cannot be wrapped: {reason}",
            "Export it again, with opset 18 and any number of pictures.",
        ) from error
