"""What a graph may not contain, and how large its tensors may be, before a session is made of it.

A file of a hundred bytes can ask for a tensor of any size: `ConstantOfShape`, `Expand`, `Tile`,
`Range`, `Pad`, `Resize` and products of a column and a row do. Where the shapes stand in the file,
shape inference tells the size here. Where they are computed at run time, the limit on the memory of
all sessions holds them: `runtime.MOST_MEMORY`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import UsageError

if TYPE_CHECKING:
    import onnx

MOST_BYTES = 2**30
"""Largest tensor, in bytes, that a graph may make of one picture."""

MOST_NODES = 100_000
"""Most nodes of a graph and of those within its nodes; the largest networks have thousands."""


MICROSOFT = "com.microsoft"
"""Domain of the operators that ONNX Runtime adds to the standard."""

MICROSOFT_OPERATORS = frozenset(
    "Attention BiasGelu FastGelu FusedConv FusedGemm FusedMatMul Gelu GroupNorm MultiHeadAttention "
    "NhwcFusedConv QuickGelu SkipGroupNorm SkipLayerNormalization "
    "SkipSimplifiedLayerNormalization".split()
)
"""Those that an imported encoder may use: ONNX Runtime's optimizer makes them of the operators of
vision networks, and they do arithmetic on tensors only."""


def refuse_foreign_parts(
    model: onnx.ModelProto, path: Path, least_opset: int, *, imported: bool = False
) -> None:
    """Raise UsageError if the model contains anything that its edition of the contract forbids.

    Parameters
    ----------
    model : ModelProto
        The model of a file.
    path : Path
        The file, for messages.
    least_opset : int
        The oldest version of the standard operators that is accepted.
    imported : bool
        Whether the file is of edition 2: its nodes may hold graphs, as branches and loops do, and
        be of `MICROSOFT_OPERATORS`. No export of ours makes either.
    """
    graphs = [model.graph, *_inner_graphs(model.graph)]
    if any(
        tensor.data_location == _external() or tensor.external_data
        for tensor in _tensors(model.graph)
    ):
        raise UsageError(
            f"{path} keeps weights in another file, which the contract forbids.",
            "Export it as one file: clr-search export RUN --out encoder.onnx",
        )
    foreign = _foreign(model, graphs, imported=imported)
    if foreign:
        raise UsageError(f"{path} uses operators outside standard ONNX: {foreign}.", _OURS)
    if len(graphs) > 1 and not imported:
        raise UsageError(
            f"{path} holds graphs within its nodes: branches or loops, which no export makes.",
            _OURS,
        )
    items = [item for graph in graphs for node in graph.node for item in node.attribute]
    sparse = any(item.HasField("sparse_tensor") or item.sparse_tensors for item in items)
    if sparse or any(graph.sparse_initializer for graph in graphs):
        raise UsageError(f"{path} holds sparse tensors, which no export makes.", _OURS)
    opset = max(
        (item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0
    )
    if opset < least_opset:
        raise UsageError(f"{path} has opset {opset}; the contract needs {least_opset} or newer.")


def _external() -> int:
    """Return the mark of a tensor whose numbers lie in another file."""
    import onnx

    return onnx.TensorProto.EXTERNAL


def _foreign(model: onnx.ModelProto, graphs: Sequence[onnx.GraphProto], *, imported: bool) -> str:
    """Return the names of the domains or operators that are not allowed; empty if all are."""
    allowed = {"", "ai.onnx", MICROSOFT} if imported else {"", "ai.onnx"}
    nodes = [node for graph in graphs for node in graph.node]
    domains = {item.domain for item in model.opset_import} | {node.domain for node in nodes}
    foreign = sorted(domains - allowed) or sorted(
        {
            f"{MICROSOFT}.{node.op_type}"
            for node in nodes
            if node.domain == MICROSOFT and node.op_type not in MICROSOFT_OPERATORS
        }
    )
    return ", ".join(name[:100] for name in foreign[:8]) or (
        "local functions" * bool(model.functions)
    )


def _inner_graphs(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
    """Yield the graphs within the nodes of a graph, at any depth."""
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for one in (*inner, *attribute.graphs):
                yield one
                yield from _inner_graphs(one)


def _tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    """Yield every constant tensor of a graph and of the graphs within its nodes."""
    for one in (graph, *_inner_graphs(graph)):
        yield from one.initializer
        for node in one.node:
            for attribute in node.attribute:
                yield attribute.t
                yield from attribute.tensors


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
    from onnx import shape_inference

    graphs = [model.graph, *_inner_graphs(model.graph)]
    if sum(len(graph.node) for graph in graphs) > MOST_NODES:
        raise UsageError(
            f"{path} has more than {MOST_NODES:,} nodes, which no export makes.", _OURS
        )
    for tensor in _tensors(model.graph):
        _refuse_size(tensor.name, tensor.data_type, tensor.dims, path)
    bare = _for_inference(model, golden_size)
    try:
        # Without data propagation, which would make the numbers of a `Range` here.
        inferred = shape_inference.infer_shapes(bare, data_prop=False)
    except Exception as error:  # the checker of onnx raises RuntimeError and errors of its own
        reason = (str(error).splitlines() or [""])[0][:200]
        raise UsageError(
            f"{path} has a graph whose shapes do not fit together: {reason}", _OURS
        ) from error
    for graph in (inferred.graph, *_inner_graphs(inferred.graph)):
        for value in (*graph.value_info, *graph.output):
            kind = value.type.tensor_type
            sizes = [d.dim_value if d.HasField("dim_value") else 1 for d in kind.shape.dim]
            _refuse_size(value.name, kind.elem_type or _FLOAT, sizes, path)


def _for_inference(model: onnx.ModelProto, golden_size: tuple[int, int]) -> onnx.ModelProto:
    """Return a model of the same shapes for one golden picture, without its large weights.

    Weights of more than `_LEAST_DROPPED` bytes become inputs of their type and shape: no shape is
    computed from so many numbers, and copies of hundreds of megabytes are spared.
    """
    from onnx import ModelProto, helper

    bare = ModelProto()
    bare.opset_import.extend(model.opset_import)
    bare.ir_version = model.ir_version
    graph = bare.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)  # what the file says of inner shapes is not believed
    named = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) <= _LEAST_DROPPED:
            graph.initializer.append(tensor)
        elif tensor.name not in named:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    for dimension, size in zip(
        graph.input[0].type.tensor_type.shape.dim, (1, *golden_size), strict=False
    ):
        dimension.dim_value = size
    return bare


_LEAST_DROPPED = 2**16
_FLOAT = 1  # onnx.TensorProto.FLOAT
_OURS = (
    "Only files that clr-search exported or imported are loaded: clr-search import-encoder --help"
)


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
