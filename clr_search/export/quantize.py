"""Convolutions are quantized to 8-bit integers, with scales that are measured on pictures.

Only the convolutions are quantized, with the ReLUs and additions between them, so that a map stays
in 8 bits from one to the next. The preprocessing, the first convolution with the pooling behind it,
the means over maps, whitening, and the norm stay in float. The graph is standard ONNX, with a pair
of QuantizeLinear and DequantizeLinear around each layer, which runtimes fuse into integer kernels.

Activations are unsigned, and weights are signed with a scale for each channel, as this pair has the
fastest kernels on x86. A processor without VNNI adds their products in 16 bits, which may saturate.
The comparison after the quantization (see `reduce`) shows whether it does;
`bench/results/precision.md` compares the choices.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.runtime import quantization
from clr_search.errors import ClrSearchError
from clr_search.export.graph import PIXELS

if TYPE_CHECKING:
    import onnx

_BATCH = 8
"""Number of pictures that calibration passes through the network at once. It decides on the ranges,
too, which by default are means over batches."""

_PERCENTILE = 99.99
"""Percentage of the activations that a range covers if ranges are percentiles."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The settings of a quantization; `bench/precision.py` found the defaults to be the best.

    Attributes
    ----------
    activations, weights : str
        Integer types, "uint8" or "int8".
    per_channel : bool
        Whether each channel of the weights has a scale of its own, instead of one for the tensor.
    reduce_range : bool
        Whether weights have 7 bits only, so that their products cannot saturate.
    ranges : str
        Measure of the range of an activation: "mean" of the extremes of batches of 8 pictures,
        "minmax" over all pictures, or "percentile" or "entropy" of its histogram.
    in_float : int
        Number of convolutions at the beginning that are not quantized.
    last_in_float : bool
        Whether the last convolution is not quantized either.
    """

    activations: Literal["uint8", "int8"] = "uint8"
    weights: Literal["uint8", "int8"] = "int8"
    per_channel: bool = True
    reduce_range: bool = False
    ranges: Literal["mean", "minmax", "percentile", "entropy"] = "mean"
    in_float: int = 1
    last_in_float: bool = False


DEFAULT = Scheme()
"""The settings of `export --precision int8`."""


def quantized(
    model: onnx.ModelProto, pictures: NDArray[np.uint8], scheme: Scheme = DEFAULT
) -> onnx.ModelProto:
    """Quantize the convolutions of a model to 8 bits; the same pictures give the same bytes.

    Parameters
    ----------
    model : ModelProto
        A model that `graph.assemble` made, with float32 weights.
    pictures : uint8 array, shape (N, S, S, 3)
        RGB pictures to measure the ranges of activations on.
    scheme : Scheme
        Settings of the quantization.

    Returns
    -------
    ModelProto
        The quantized model, checked; `model` is not changed.

    Raises
    ------
    ClrSearchError
        If there is no convolution to quantize, or the quantizer fails.
    """
    import onnx

    front, network = _split(model)
    names = _quantizable(network.graph, scheme)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(network, source)
        try:
            _quantize(source, target, names, pictures, scheme)
        except Exception as error:  # The exceptions of the quantizer share no base class.
            raise ClrSearchError(
                f"The network cannot be quantized: {error}.", "Export with --precision fp16."
            ) from error
        inner = onnx.load(target)
    _keep_float_paths(network.graph, inner.graph, names)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    used = {name for node in front for name in node.input}
    tensors = [t for t in model.graph.initializer if t.name in used] + list(inner.graph.initializer)
    del whole.graph.node[:], whole.graph.initializer[:]
    whole.graph.node.extend([*front, *inner.graph.node])
    whole.graph.initializer.extend(tensors)
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _split(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], onnx.ModelProto]:
    """Split a model into the nodes of its preprocessing and a model that reads `pixels`.

    The quantizer gets the second only: nothing in the preprocessing can be quantized, and no
    transposition for integer kernels shall be pushed into it.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes = list(model.graph.node)
    end = 1 + next((n for n, node in enumerate(nodes) if PIXELS in node.output), -1)
    if not end:
        raise ClrSearchError(
            f"The graph has no tensor named {PIXELS} behind its preprocessing.",
            "Export it again with this release.",
        )
    used = {name for node in nodes[end:] for name in node.input}
    graph = helper.make_graph(
        nodes[end:],
        "network",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["N", 3, None, None])],
        list(model.graph.output),
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    for number, node in enumerate(graph.node):
        node.name = node.name or f"network/{number}"  # The quantizer looks nodes up by name.
    network = helper.make_model(graph, opset_imports=model.opset_import)
    network.ir_version = model.ir_version
    # This mark spares a warning that asks for a preparation which the exporter has done already.
    network.metadata_props.append(
        onnx.StringStringEntryProto(key="onnx.quant.pre_process", value="onnxruntime.quant")
    )
    return nodes[:end], network


def _quantizable(graph: onnx.GraphProto, scheme: Scheme) -> list[str]:
    """Return the names of the nodes to quantize, in the order of the graph.

    They are the convolutions, and the nodes between them whose inputs are all quantized maps.
    """
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    chosen = convolutions[scheme.in_float : -1 if scheme.last_in_float else None]
    if not chosen:
        raise ClrSearchError(
            f"The network has {len(convolutions)} convolutions: none is left to quantize.",
            "Export with --precision fp16.",
        )
    names: set[str] = set(chosen)
    maps: set[str] = set()  # names of tensors in 8 bits
    for node in graph.node:
        if node.op_type in ("Relu", "MaxPool", "Add") and maps.issuperset(node.input):
            names.add(node.name)
        if node.name in names:
            maps.update(node.output)
    return [node.name for node in graph.node if node.name in names]


def _keep_float_paths(
    before: onnx.GraphProto, after: onnx.GraphProto, quantized_names: Sequence[str]
) -> None:
    """Let float layers read the results of float layers directly, instead of rounded to 8 bits.

    This is more exact. It is also faster, as a pooling whose result is read in float stays in
    float: ONNX Runtime would move it to 8 bits, where its kernel is slow and took a quarter of the
    time of a ResNet-18.
    """
    exact = {
        name for node in before.node if node.name not in quantized_names for name in node.output
    }
    for node in after.node:
        if node.name in quantized_names or node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        for number, name in enumerate(node.input):
            source = name.removesuffix("_DequantizeLinear_Output")
            if source in exact:
                node.input[number] = source


def _quantize(
    source: Path,
    target: Path,
    names: Sequence[str],
    pictures: NDArray[np.uint8],
    scheme: Scheme,
) -> None:
    """Quantize the nodes of the given names in the model file `source`, and write `target`."""
    ort = quantization()
    types = {"int8": ort.QuantType.QInt8, "uint8": ort.QuantType.QUInt8}
    ranges = ort.CalibrationMethod
    methods = {"percentile": ranges.Percentile, "entropy": ranges.Entropy}
    with redirect_stdout(StringIO()):  # The histograms print lines on their progress.
        ort.quantize_static(
            source,
            target,
            _reader(pictures),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu", "MaxPool", "Add"],
            nodes_to_quantize=list(names),
            activation_type=types[scheme.activations],
            weight_type=types[scheme.weights],
            per_channel=scheme.per_channel,
            reduce_range=scheme.reduce_range,
            calibrate_method=methods.get(scheme.ranges, ranges.MinMax),
            extra_options={
                "CalibMovingAverage": scheme.ranges == "mean",
                "CalibPercentile": _PERCENTILE,
            },
        )


def _reader(pictures: NDArray[np.uint8]) -> Any:
    """Return the reader that gives the quantizer `pixels`, float32 in [0, 1], batch by batch."""

    class Reader(quantization().CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._starts = iter(range(0, len(pictures), _BATCH))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            start = next(self._starts, None)
            if start is None:
                return None
            planes = pictures[start : start + _BATCH].transpose(0, 3, 1, 2)
            return {PIXELS: planes.astype(np.float32) / np.float32(255)}

    return Reader()
