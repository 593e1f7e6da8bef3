"""Weights are stored in half precision, and `Drift` measures what reduced weights change.

Half precision is for storage only. The graph casts its weights back to float32, which runtimes do
once, when they load it: the file has half the size, and the speed is that of float32. Most
processors have no instructions for arithmetic in half precision; the 8-bit integers of the module
`quantize` are quicker on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    import onnx

SMALLEST = 256
"""Least number of values in a tensor that is stored as float16; smaller ones save nothing."""

LEAST_AGREEMENT = 0.95
"""Least share, in [0, 1], of the ten nearest neighbours that a reduced encoder has to keep."""

NEIGHBOURS = 10
"""Number of nearest neighbours that are compared for each picture."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The change from a full encoder to a reduced one.

    Attributes
    ----------
    mean_cosine : float
        Mean cosine between the two vectors of each picture.
    agreement : float
        Share of the ten nearest neighbours of each picture, among the others, that stay the same.
    """

    mean_cosine: float
    agreement: float


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its large float32 tensors stored as float16, and cast when loaded.

    Raises
    ------
    ClrSearchError
        If a weight is beyond the range of float16.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    casts = []
    for tensor in smaller.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        with np.errstate(over="ignore"):  # The check below finds an overflow.
            values = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(values).all():
            raise ClrSearchError(
                f"The weights {tensor.name} are too large for half precision.",
                "Export with --precision fp32.",
            )
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}/fp16"))
        casts.append(helper.make_node("Cast", [f"{name}/fp16"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *smaller.graph.node]
    del smaller.graph.node[:]
    smaller.graph.node.extend(nodes)
    onnx.checker.check_model(smaller, full_check=True)
    return smaller


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with float32 weights and no casts: the reverse of `halved`, but rounded."""
    import onnx
    from onnx import numpy_helper

    wider = onnx.ModelProto()
    wider.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in wider.graph.initializer}
    nodes = []
    for node in wider.graph.node:
        tensor = tensors.get(node.input[0]) if node.op_type == "Cast" else None
        if tensor is None:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del wider.graph.node[:]
    wider.graph.node.extend(nodes)
    return wider


def drift(exact: NDArray[np.float32], reduced: NDArray[np.float32]) -> Drift:
    """Compare the vectors of the same pictures.

    Parameters
    ----------
    exact, reduced : float32 array, shape (N, D)
        Vectors of the full and of the reduced encoder, of unit L2 norm; N > 10.

    Returns
    -------
    Drift
        How far the vectors and their neighbours agree.

    Examples
    --------
    >>> vectors = np.eye(12, dtype=np.float32)
    >>> drift(vectors, vectors)
    Drift(mean_cosine=1.0, agreement=1.0)
    """
    agreements = [
        len(set(before) & set(after)) / NEIGHBOURS
        for before, after in zip(_neighbours(exact), _neighbours(reduced), strict=True)
    ]
    return Drift(float((exact * reduced).sum(axis=1).mean()), float(np.mean(agreements)))


def require_agreement(change: Drift, precision: str) -> None:
    """Refuse a reduced encoder with which searches find other neighbours.

    Parameters
    ----------
    change : Drift
        The change from the full encoder to the reduced one.
    precision : str
        Number format of the reduced weights, for the message.

    Raises
    ------
    ClrSearchError
        If a share of less than `LEAST_AGREEMENT` of the neighbours stays the same.

    Examples
    --------
    >>> require_agreement(Drift(mean_cosine=0.999, agreement=0.98), "int8")
    """
    if not change.agreement >= LEAST_AGREEMENT:
        raise ClrSearchError(
            f"With {precision} weights only {change.agreement:.1%} of the ten nearest neighbours "
            f"stay the same, less than {LEAST_AGREEMENT:.0%}, so nothing was written.",
            "Export with --precision fp32, or write it all the same with --force.",
        )


def _neighbours(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows of the nearest neighbours of each row, in no order: shape (N, 10)."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argpartition(-similarity, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
