"""The graph resizes pictures by the operator `Resize`, or by two matrix products.

Not every runtime follows the attribute `antialias` of `Resize`, but every one multiplies matrices.
Both forms read `floats`, float32 [N, 3, n, n], and write `resized`, float32 [N, 3, S, S]. They are
bilinear; the filter is as wide as two pixels of the result where it shrinks the picture, and as two
pixels of the picture otherwise. The second form also reads n, as `side`, int64 [1].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from clr_search.contract.model_file import Resize


class Part(NamedTuple):
    """A part of a graph: its nodes in their order, and the constants that they read."""

    nodes: list[onnx.NodeProto]
    constants: dict[str, NDArray[Any]]


def resizing(image_size: int, resize: Resize) -> Part:
    """Build the part of the graph that makes `resized` from `floats`, in one of its two forms.

    Parameters
    ----------
    image_size : int
        S, the side in pixels of the result.
    resize : str
        "Resize" for the operator of that name, "MatMul" for matrix products.

    Returns
    -------
    Part
        Nodes and constants of the part.

    Examples
    --------
    >>> [node.op_type for node in resizing(32, "Resize").nodes]
    ['Resize']
    """
    return _by_products(image_size) if resize == "MatMul" else _by_operator(image_size)


def _by_operator(image_size: int) -> Part:
    """Return the form that uses the operator `Resize`."""
    node = helper.make_node(
        "Resize",
        ["floats", "", "", "target"],
        ["resized"],
        mode="linear",
        antialias=1,
        # Without it ONNX repeats edge pixels where Pillow and torch renormalise: off by up to
        # 7 % of the range at the border.
        exclude_outside=1,
        axes=[2, 3],
        coordinate_transformation_mode="half_pixel",
    )
    return Part([node], {"target": np.array([image_size, image_size], np.int64)})


def _by_products(image_size: int) -> Part:
    """Return the form W · floats · Wᵀ, where W [S, n] is made from n while the graph runs.

    The centres of pixel i of n, and of pixel o of the S of the result, lie at (i + ½)/n and
    (o + ½)/S of the side. In units of 1/(2·n·S) these are whole numbers, (2·i + 1)·S and
    (2·o + 1)·n, and the filter reaches 2·max(n, S). So the triangles of the filter are exact, also
    in runtimes that compute in half precision, where a difference of two large numbers would be
    wrong. All runtimes have integers of 32 bits, which hold 2·n·S for n up to 262,143 at the
    largest S of the contract.

    Between the two products there are n·S numbers a channel, fewer than in a picture that is
    shrunk.
    """
    node = helper.make_node
    nodes = [
        node("Cast", ["side"], ["n"], to=TensorProto.INT32),
        node("Squeeze", ["n", "first"], ["count"]),
        node("Mul", ["count", "twice_size"], ["end"]),
        node("Range", ["size", "end", "twice_size"], ["pixels_at"]),
        node("Mul", ["odd", "n"], ["places_at"]),
        node("Sub", ["places_at", "pixels_at"], ["apart"]),
        node("Abs", ["apart"], ["distance"]),
        node("Max", ["n", "size"], ["spacing"]),
        node("Mul", ["spacing", "pair"], ["reach"]),
        node("Sub", ["reach", "distance"], ["within"]),
        node("Max", ["within", "none"], ["height"]),
        node("Cast", ["height"], ["height_float"], to=TensorProto.FLOAT),
        node("Cast", ["reach"], ["reach_float"], to=TensorProto.FLOAT),
        # Before the sum, which would be beyond the range of half precision.
        node("Div", ["height_float", "reach_float"], ["triangle"]),
        node("ReduceSum", ["triangle", "along_pixels"], ["total"], keepdims=1),
        node("Div", ["triangle", "total"], ["rows"]),
        node("Transpose", ["rows"], ["columns"], perm=[1, 0]),
        node("MatMul", ["floats", "columns"], ["narrow"]),
        node("MatMul", ["rows", "narrow"], ["resized"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "first": np.array([0], np.int64),
        "size": np.array(image_size, np.int32),
        "twice_size": np.array(2 * image_size, np.int32),
        "odd": np.arange(1, 2 * image_size, 2, dtype=np.int32)[:, None],
        "pair": np.array(2, np.int32),
        "none": np.array(0, np.int32),
        "along_pixels": np.array([1], np.int64),
    }
    return Part(nodes, constants)
