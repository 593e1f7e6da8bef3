"""An encoder file is one ONNX graph: preprocessing, the backbone, and L2 normalisation.

The parts around the backbone are built node by node with `onnx.helper`, so that they do not depend
on how an exporter traces dynamic sizes, and can be tested with any backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from clr_search.contract.card import Card, Resize
from clr_search.contract.model_file import EMBEDDING, IMAGES, IR_VERSION, OPSET
from clr_search.errors import ClrSearchError
from clr_search.export.resize import resizing
from clr_search.images.geometry import LONGEST, Frame, framed

PIXELS = "pixels"
"""Name of the input of a backbone, float32 [N, 3, S, S] in [0, 1]."""

FEATURES = "features"
"""Name of the output of a backbone, float32 [N, D], the embedding before normalisation."""

NORM_FLOOR = 1e-12
"""Least number that a vector is divided by, so that a zero vector stays zero instead of NaN."""

_FRONT = "preprocessing/"
"""Prefix of the names of nodes and tensors of the preprocessing."""


def preprocessing(frame: Frame | int, resize: Resize = "Resize") -> onnx.GraphProto:
    """Build the graph from `images` to `pixels`.

    It makes the square of a frame: for ours, it cuts out the central square of side min(H, W) and
    resizes it with antialiasing. An input of S×S pixels is not changed by that, so a caller may
    shrink a picture beforehand (`clr_search.images.square`) and get the same vector.

    Parameters
    ----------
    frame : Frame or int
        How a picture becomes a square of side S, in pixels; a number is the side of its central
        one.
    resize : str
        "Resize" for the operator of that name, or "MatMul" for matrix products; see
        `resize.resizing`.

    Returns
    -------
    GraphProto
        Input `images`, uint8 [N, H, W, 3]; output `pixels`, float32 [N, 3, S, S] in [0, 1].

    Examples
    --------
    >>> graph = preprocessing(32)
    >>> graph.input[0].name, graph.output[0].name
    ('images', 'pixels')
    """
    node = helper.make_node
    frame = framed(frame)
    resized = resizing(frame, resize)
    crops = frame.fit in ("crop", "centre")
    nodes = [node("Shape", [IMAGES], ["hw"], start=1, end=3)]
    if crops:
        kept = "side" if frame.fit == "crop" else "kept"
        longest = [
            node("Mul", ["side", "longest"], ["long_side"]),
            node("Min", ["hw", "long_side"], ["kept"]),
        ]
        nodes += [
            node("ReduceMin", ["hw"], ["side"], keepdims=1),
            *(longest if kept == "kept" else []),
            node("Sub", ["hw", kept], ["excess"]),
            node("Div", ["excess", "two"], ["start"]),
            node("Add", ["start", kept], ["stop"]),
            node("Slice", [IMAGES, "start", "stop", "crop_axes"], ["crop"]),
        ]
    nodes += [
        node("Transpose", ["crop" if crops else IMAGES], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        *resized.nodes,
        node("Mul", ["resized", "scale"], [PIXELS]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "two": np.array([2], np.int64),
        "crop_axes": np.array([1, 2], np.int64),
    }
    if frame.fit == "centre":
        constants["longest"] = np.array([LONGEST], np.int64)
    constants = (constants if crops else {}) | resized.constants
    constants["scale"] = np.array(1 / 255, np.float32)
    size = frame.size
    return helper.make_graph(
        nodes,
        "preprocessing",
        [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["N", 3, size, size])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def normalisation(dimension: int) -> onnx.GraphProto:
    """Build the graph from `features` to `embedding`, which scales vectors to unit L2 norm.

    Parameters
    ----------
    dimension : int
        D, the length of a vector.

    Returns
    -------
    GraphProto
        Input `features` and output `embedding`, both float32 [N, D].

    Examples
    --------
    >>> [node.op_type for node in normalisation(128).node]
    ['ReduceL2', 'Max', 'Div']
    """
    node = helper.make_node
    nodes = [
        node("ReduceL2", [FEATURES, "last"], ["norm"], keepdims=1),
        node("Max", ["norm", "floor"], ["safe_norm"]),
        node("Div", [FEATURES, "safe_norm"], [EMBEDDING]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "last": np.array([1], np.int64),
        "floor": np.array(NORM_FLOOR, np.float32),
    }
    return helper.make_graph(
        nodes,
        "normalisation",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", dimension])],
        [helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["N", dimension])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def assemble(
    backbone: onnx.GraphProto,
    frame: Frame | int,
    dimension: int,
    resize: Resize = "Resize",
    *,
    opset: int = OPSET,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """Join preprocessing, backbone and normalisation into one model.

    Parameters
    ----------
    backbone : GraphProto
        Graph from `pixels`, float32 [N, 3, S, S], to `features`, float32 [N, D].
    frame : Frame or int
        How a picture becomes a square of side S; a number is the side of its central one.
    dimension : int
        D, the length of a vector.
    resize : str
        Form of the preprocessing, "Resize" or "MatMul".
    opset : int
        Version of the standard operators, at least `OPSET`.
    domains : sequence of str
        Domains of further operators that the backbone uses, each of version 1.

    Returns
    -------
    ModelProto
        The checked model, still without the card that `with_card` adds.
    """
    front = _front(frame, resize)
    middle = compose.add_prefix_graph(
        backbone, "backbone/", rename_inputs=False, rename_outputs=False
    )
    back = compose.add_prefix_graph(
        normalisation(dimension), "normalisation/", rename_inputs=False, rename_outputs=False
    )
    graph = compose.merge_graphs(front, middle, io_map=[(PIXELS, PIXELS)])
    graph = compose.merge_graphs(graph, back, io_map=[(FEATURES, FEATURES)])
    graph.name = "clr_search_encoder"
    model = helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid("", opset),
            *(helper.make_opsetid(domain, 1) for domain in domains),
        ],
        producer_name="clr-search",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _front(frame: Frame | int, resize: Resize) -> onnx.GraphProto:
    """Build the preprocessing, with its prefix before all names."""
    return compose.add_prefix_graph(
        preprocessing(frame, resize), _FRONT, rename_inputs=False, rename_outputs=False
    )


def with_resize(model: onnx.ModelProto, frame: Frame | int, resize: Resize) -> onnx.ModelProto:
    """Replace the preprocessing of a model by one of another form; all else stays as it is.

    Parameters
    ----------
    model : ModelProto
        A model that `assemble` made; its weights may be reduced.
    frame : Frame or int
        How a picture becomes a square of side S, as the card of the model says it.
    resize : str
        Form of the new preprocessing, "Resize" or "MatMul".

    Returns
    -------
    ModelProto
        A changed copy of the model.

    Raises
    ------
    ClrSearchError
        If the model has no preprocessing made by `assemble`.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph, front = changed.graph, _front(frame, resize)
    is_front = [n.output[0] == PIXELS or n.output[0].startswith(_FRONT) for n in graph.node]
    if not any(is_front):
        raise ClrSearchError(
            f"The graph has no preprocessing that makes {PIXELS}.",
            "Export the run that it came from.",
        )
    start = is_front.index(True)
    rest = [node for node, old in zip(graph.node, is_front, strict=True) if not old]
    tensors = [tensor for tensor in graph.initializer if not tensor.name.startswith(_FRONT)]
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*rest[:start], *front.node, *rest[start:]])
    graph.initializer.extend([*front.initializer, *tensors])
    onnx.checker.check_model(changed, full_check=True)
    return changed


def with_card(model: onnx.ModelProto, card: Card) -> bytes:
    """Serialise a model with its card as metadata; the same arguments give the same bytes."""
    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    del marked.metadata_props[:]
    helper.set_model_props(marked, card.to_metadata())
    return bytes(marked.SerializeToString(deterministic=True))
