"""What a graph may not contain, and how large its tensors may be, before a session is made of it.

A file of a hundred bytes can ask for a tensor of any size: `ConstantOfShape`, `Expand`, `Tile`,
`Range`, `Pad`, `Resize` and products of a column and a row do. Where the shapes stand in the file,
shape inference tells the size here. Where they are computed at run time, the limit on the memory of
all sessions holds them: `runtime.MOST_MEMORY`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError

if TYPE_CHECKING:
    import onnx

MOST_BYTES = 2**30
"""Largest tensor, in bytes, that a graph may make of one picture."""

MOST_NODES = 100_000
"""Most nodes of a graph; the largest exports have a few hundred."""


def refuse_foreign_parts(model: onnx.ModelProto, path: Path, least_opset: int) -> None:
    """Raise UsageError if the model contains anything that no export of ours makes."""
    import onnx

    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UsageError(
                f"{path} keeps weights in another file, which the contract forbids.",
                "Export it as one file: clr-search export RUN --out encoder.onnx",
            )
    domains = {item.domain for item in model.opset_import} | {
        node.domain for node in model.graph.node
    }
    foreign = sorted(domains - {"", "ai.onnx"})
    if foreign or model.functions:
        named = ", ".join(foreign) or "local functions"
        raise UsageError(
            f"{path} uses operators outside standard ONNX: {named}.",
            "Only files exported by clr-search are loaded.",
        )
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if any(attribute.HasField("g") or attribute.graphs for attribute in attributes):
        raise UsageError(
            f"{path} holds graphs within its nodes: branches or loops, which no export makes.",
            "Only files exported by clr-search are loaded.",
        )
    sparse = any(item.HasField("sparse_tensor") or item.sparse_tensors for item in attributes)
    if sparse or model.graph.sparse_initializer:
        raise UsageError(
            f"{path} holds sparse tensors, which no export makes.",
            "Only files exported by clr-search are loaded.",
        )
    opset = max(
        (item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0
    )
    if opset < least_opset:
        raise UsageError(f"{path} has opset {opset}; the contract needs {least_opset} or newer.")


def _tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    """Yield every constant tensor of a graph and of the graphs within its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)


def refuse_costly(model: onnx.ModelProto, golden_size: tuple[int, int], path: Path) -> None:
    """Raise UsageError if the file implies tensors that are too large for one golden picture.

    Parameters
    ----------
    model : ModelProto
        The model, which has passed `refuse_foreign_parts`; it is not changed.
    golden_size : tuple of int
        Height and width of the picture for which shapes are inferred.
    path : Path
        The file, for messages.
    """
    from onnx import ModelProto, TensorProto, shape_inference

    if len(model.graph.node) > MOST_NODES:
        raise UsageError(
            f"{path} has more than {MOST_NODES:,} nodes, which no export makes.", _OURS
        )
    for tensor in _tensors(model.graph):
        _refuse_size(tensor.name, tensor.data_type, tensor.dims, path)
    bare = ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]  # what the file says of its shapes is not believed
    for dimension, size in zip(
        bare.graph.input[0].type.tensor_type.shape.dim, (1, *golden_size), strict=False
    ):
        dimension.dim_value = size
    try:
        # Without data propagation, which would make the numbers of a `Range` here.
        inferred = shape_inference.infer_shapes(bare, data_prop=False)
    except Exception as error:  # the checker of onnx raises RuntimeError and errors of its own
        reason = (str(error).splitlines() or [""])[0][:200]
        raise UsageError(
            f"{path} has a graph whose shapes do not fit together: {reason}", _OURS
        ) from error
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") else 1 for d in kind.shape.dim]
        _refuse_size(value.name, kind.elem_type or TensorProto.FLOAT, sizes, path)


_OURS = "Only files exported by clr-search are loaded."


def _refuse_size(name: str, kind: int, sizes: Iterable[int], path: Path) -> None:
    """Raise UsageError if a tensor of these sizes is larger than `MOST_BYTES`."""
    from onnx import TensorProto, helper

    if kind not in TensorProto.DataType.values():
        raise UsageError(f"{path} has a tensor {name[:100]!r} of an unknown type.", _OURS)
    sizes = list(sizes)
    known = kind not in (TensorProto.UNDEFINED, TensorProto.STRING)
    each = helper.tensor_dtype_to_np_dtype(kind).itemsize if known else 8
    if any(size < 0 for size in sizes) or math.prod(sizes) * each > MOST_BYTES:
        shape = " × ".join(f"{size:,}" for size in sizes[:8])
        raise UsageError(
            f"{path} asks for a tensor of {shape} numbers, {name[:100]!r}: more than "
            f"{MOST_BYTES // 2**30} GB for one picture.",
            _OURS,
        )
