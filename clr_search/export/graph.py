"""The ONNX graph around a backbone: preprocessing before it, L2 normalisation behind it.

Built node by node with `onnx.helper`, so that it does not depend on how an exporter traces dynamic
sizes, and can be tested with any backbone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from clr_search.contract.model_file import EMBEDDING, IMAGES, IR_VERSION, OPSET, Card, Resize
from clr_search.errors import ClrSearchError
from clr_search.export.resize import resizing

PIXELS = "pixels"
"""Input of a backbone: float32 [N, 3, S, S] in [0, 1]."""

FEATURES = "features"
"""Output of a backbone: float32 [N, D], h before normalisation."""

NORM_FLOOR = 1e-12
"""Least norm divided by, so that a zero vector stays zero instead of becoming NaN."""

_FRONT = "preprocessing/"  # what names of the preprocessing begin with


def preprocessing(image_size: int, resize: Resize = "Resize") -> onnx.GraphProto:
    """Graph from `images` uint8 [N, H, W, 3] to `pixels` float32 [N, 3, S, S] in [0, 1].

    The central square of side min(H, W), resized with antialiasing in one of the two forms of
    `resize.resizing`: at S×S input the resize is the identity, so a caller may crop and shrink
    beforehand (`clr_search.images.square`) and get the same vector.
    """
    node = helper.make_node
    resized = resizing(image_size, resize)
    nodes = [
        node("Shape", [IMAGES], ["hw"], start=1, end=3),
        node("ReduceMin", ["hw"], ["side"], keepdims=1),
        node("Sub", ["hw", "side"], ["excess"]),
        node("Div", ["excess", "two"], ["start"]),
        node("Add", ["start", "side"], ["stop"]),
        node("Slice", [IMAGES, "start", "stop", "crop_axes"], ["crop"]),
        node("Transpose", ["crop"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        *resized.nodes,
        node("Mul", ["resized", "scale"], [PIXELS]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "two": np.array([2], np.int64),
        "crop_axes": np.array([1, 2], np.int64),
        **resized.constants,
        "scale": np.array(1 / 255, np.float32),
    }
    return helper.make_graph(
        nodes,
        "preprocessing",
        [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", "H", "W", 3])],
        [
            helper.make_tensor_value_info(
                PIXELS, TensorProto.FLOAT, ["N", 3, image_size, image_size]
            )
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def normalisation(dimension: int) -> onnx.GraphProto:
    """Graph from `features` float32 [N, D] to `embedding` float32 [N, D] of unit L2 norm."""
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
    backbone: onnx.GraphProto, image_size: int, dimension: int, resize: Resize = "Resize"
) -> onnx.ModelProto:
    """Join preprocessing, backbone (`pixels` → `features`) and normalisation into one model.

    The result still needs its card: see `with_card`.
    """
    front = _front(image_size, resize)
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
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="clr-search"
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _front(image_size: int, resize: Resize) -> onnx.GraphProto:
    return compose.add_prefix_graph(
        preprocessing(image_size, resize), _FRONT, rename_inputs=False, rename_outputs=False
    )


def with_resize(model: onnx.ModelProto, image_size: int, resize: Resize) -> onnx.ModelProto:
    """The same model with its preprocessing in the other form, and all else as it was.

    Parameters
    ----------
    model : ModelProto
        As made by `assemble`; its weights may be reduced.
    image_size : int
        S of the model.
    resize : str
        The form wanted.

    Raises
    ------
    ClrSearchError
        If the model has no preprocessing of ours.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph, front = changed.graph, _front(image_size, resize)
    ours = [node.output[0] == PIXELS or node.output[0].startswith(_FRONT) for node in graph.node]
    if not any(ours):
        raise ClrSearchError(
            f"The graph has no preprocessing that makes {PIXELS}.",
            "Export the run that it came from.",
        )
    at = ours.index(True)
    rest = [node for node, is_ours in zip(graph.node, ours, strict=True) if not is_ours]
    tensors = [tensor for tensor in graph.initializer if not tensor.name.startswith(_FRONT)]
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*rest[:at], *front.node, *rest[at:]])
    graph.initializer.extend([*front.initializer, *tensors])
    onnx.checker.check_model(changed, full_check=True)
    return changed


def with_card(model: onnx.ModelProto, card: Card) -> bytes:
    """Serialise a model with its card as metadata."""
    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    del marked.metadata_props[:]
    helper.set_model_props(marked, card.to_metadata())
    return bytes(marked.SerializeToString(deterministic=True))
