"""Reading an ONNX file of any maker, and saying what is in it, before anything is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clr_search.contract.graph_limits import MICROSOFT, MICROSOFT_OPERATORS
from clr_search.contract.model_file import MAX_MODEL_BYTES
from clr_search.errors import ClrSearchError, UsageError, shortened

if TYPE_CHECKING:
    import onnx

_QUANTISED = frozenset(
    "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul "
    "QuantizeLinear DynamicQuantizeMatMul MatMulNBits MatMulIntegerToFloat".split()
)
"""Operators of reduced weights; the full ones are imported, and reduced by `--precision`."""


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """An ONNX file that was read whole.

    Attributes
    ----------
    path : Path
        The file.
    model : ModelProto
        Its content, weights of other files folded in and functions inlined.
    sha256 : str
        SHA-256 of the file.
    """

    path: Path
    model: onnx.ModelProto
    sha256: str


def read_foreign(path: Path) -> ForeignFile:
    """Read an ONNX file with the weights that lie beside it.

    Raises
    ------
    UsageError
        If the file is missing, no ONNX, more than 2 GB with its weights, or names a file of weights
        that is missing or not in its folder.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise UsageError(f"There is no ONNX file {path}.", "Check the spelling.")
    _refuse_size(path, path.stat().st_size)
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise UsageError(
            f"{path} is not a whole ONNX file: it is truncated, or something else.",
            "Give an .onnx file, or a folder that holds one with its configuration.",
        ) from error
    if not model.graph.node:
        raise UsageError(f"{path} holds no ONNX graph.", "Give an .onnx file.")
    _fold_in(model, path, len(data))
    if model.functions:
        import onnx.inliner

        model = onnx.inliner.inline_local_functions(model)
    return ForeignFile(path, model, hashlib.sha256(data).hexdigest())


def _refuse_size(path: Path, size: int) -> None:
    """Raise UsageError if a file, with its weights, is too large for one file of ONNX."""
    if size > MAX_MODEL_BYTES:
        raise UsageError(
            f"{path} takes {size / 2**30:.1f} GB with its weights, and one ONNX file ends at 2 GB.",
            "Export the network with weights in half precision, or import a smaller one.",
        )


def _fold_in(model: onnx.ModelProto, path: Path, size: int) -> None:
    """Read the weights that lie in other files of the same folder into the model, in place."""
    from onnx.external_data_helper import load_external_data_for_model

    outside = [t for t in tensors_of(model.graph) if t.external_data]
    if not outside:
        return
    folder = path.resolve().parent
    names = {item.value for t in outside for item in t.external_data if item.key == "location"}
    files = [(folder / name).resolve() for name in sorted(names)]
    for name, file in zip(sorted(names), files, strict=True):
        if folder not in file.parents or not file.is_file():
            raise UsageError(
                f"{path} keeps weights in {shortened(name)!r}, which is no file in its folder.",
                "Copy the file of weights beside it.",
            )
    _refuse_size(path, size + sum(file.stat().st_size for file in files))
    try:
        load_external_data_for_model(model, str(folder))
    except Exception as error:  # onnx raises several kinds
        raise UsageError(
            f"The weights of {path} cannot be read: {str(error)[:200]}.", "Copy the files again."
        ) from error


def graphs_of(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
    """Yield a graph and those within its nodes, at any depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for one in (*inner, *attribute.graphs):
                yield from graphs_of(one)


def tensors_of(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    """Yield every constant tensor of a graph and of the graphs within its nodes."""
    for one in graphs_of(graph):
        yield from one.initializer
        for node in one.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def refuse_operators(model: onnx.ModelProto, path: Path) -> None:
    """Raise UsageError if the graph has operators that no runtime or no contract accepts."""
    nodes = [node for graph in graphs_of(model.graph) for node in graph.node]
    reduced = sorted({node.op_type for node in nodes} & _QUANTISED)
    if reduced:
        raise UsageError(
            f"{path} is quantised already ({', '.join(reduced)}), and its numbers depend on the "
            "processor.",
            "Import the file with full weights, and reduce it here: --precision fp16 or int8.",
        )
    custom = sorted(
        {
            f"{node.domain}.{node.op_type}"
            for node in nodes
            if node.domain not in ("", "ai.onnx")
            and (node.domain != MICROSOFT or node.op_type not in MICROSOFT_OPERATORS)
        }
    )
    if custom:
        raise UsageError(
            f"{path} uses operators outside standard ONNX: {', '.join(custom[:5])}.",
            "Export the network with standard operators only.",
        )


def raised(model: onnx.ModelProto, path: Path, least: int) -> onnx.ModelProto:
    """Return the model in an opset of at least `least`.

    Raises
    ------
    ClrSearchError
        If onnx cannot convert it.
    """
    from onnx import version_converter

    opset = opset_of(model)
    if opset >= least:
        return model
    try:
        return version_converter.convert_version(model, least)
    except Exception as error:  # the converter raises RuntimeError and errors of its own
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ClrSearchError(
            f"{path} has opset {opset}, which cannot be raised to {least}: {reason}",
            f"Export the network again, with opset {least} or newer.",
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


def pruned(model: onnx.ModelProto, output: str, path: Path) -> onnx.ModelProto:
    """Return the model with one output, and nothing that this does not need.

    Parameters
    ----------
    model : ModelProto
        The model; it is not changed.
    output : str
        Name of an output, or of an inner tensor.
    path : Path
        Its file, for messages.

    Raises
    ------
    UsageError
        If the graph has no tensor of this name.
    """
    import onnx

    made = {name: node for node in model.graph.node for name in node.output if name}
    if output not in made:
        raise UsageError(
            f"{path} has no tensor {shortened(output)!r} that its graph computes.",
            f"Its outputs are {spelt_list(list(model.graph.output))}; name one of these or an "
            "inner tensor.",
        )
    needed: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in made:
            waiting.extend(_read_by(made[name]))
    small = onnx.ModelProto(ir_version=model.ir_version)
    small.opset_import.extend(model.opset_import)
    graph = small.graph
    graph.name = "network"
    graph.node.extend(n for n in model.graph.node if needed.intersection(n.output))
    graph.initializer.extend(t for t in model.graph.initializer if t.name in needed)
    constant = {tensor.name for tensor in graph.initializer}
    graph.input.extend(value for value in model.graph.input if value.name in needed - constant)
    known = [v for v in model.graph.output if v.name == output]
    graph.output.extend(known or [onnx.ValueInfoProto(name=output)])
    for one in graphs_of(graph):
        del one.value_info[:]
        one.doc_string = ""
        for node in one.node:
            node.doc_string = ""
            del node.metadata_props[:]
    return small


def _read_by(node: onnx.NodeProto) -> Iterable[str]:
    """Yield the names of the tensors that a node and the graphs within it read."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        inner = [attribute.g] if attribute.HasField("g") else []
        for top in (*inner, *attribute.graphs):
            for graph in graphs_of(top):
                yield from (name for one in graph.node for name in one.input if name)
                yield from (value.name for value in graph.output)


def inputs_of(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs of a graph that are no weights."""
    constant = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constant]


def dims_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """Return the sizes of a tensor, None for those that are not settled."""
    dims = value.type.tensor_type.shape.dim
    return [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dims]


def numpy_type(value: onnx.ValueInfoProto) -> np.dtype[np.generic]:
    """Return the numpy type of the numbers of a tensor."""
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def spelt(value: onnx.ValueInfoProto) -> str:
    """Return the name, type and sizes of a tensor, for people."""
    import onnx

    kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    sizes = [
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?"
        for d in value.type.tensor_type.shape.dim
    ]
    return f"{shortened(value.name)} {kind}[{', '.join(map(shortened, sizes))}]"


def spelt_list(values: Sequence[onnx.ValueInfoProto]) -> str:
    """Return several tensors, for people; of many, the first."""
    more = f" and {len(values) - 8} more" if len(values) > 8 else ""
    return "; ".join(map(spelt, values[:8])) + more or "none"
