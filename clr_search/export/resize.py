"""The graph resizes pictures by the operator `Resize`, or by two matrix products.

Not every runtime follows the attribute `antialias` of `Resize`, but every one multiplies matrices.
Both forms read `floats`, float32 [N, 3, h, w], and write `resized`, float32 [N, 3, S, S]. They are
bilinear or bicubic; the filter is as wide as two (four) pixels of the result where it shrinks the
picture, and as two (four) pixels of the picture otherwise. A picture that was cropped has h = w =
n, which the second form reads as `side`, int64 [1]; of others, both forms read `hw`, int64 [2].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from clr_search.contract.card import Resize
from clr_search.images.geometry import Filter, Frame, framed

BICUBIC = -0.5
"""The coefficient a of the bicubic filter, as Pillow has it; other programs take -0.75."""


class Part(NamedTuple):
    """A part of a graph: its nodes in their order, and the constants that they read."""

    nodes: list[onnx.NodeProto]
    constants: dict[str, NDArray[Any]]


def resizing(frame: Frame | int, resize: Resize) -> Part:
    """Build the part of the graph that makes `resized` from `floats`, in one of its two forms.

    Parameters
    ----------
    frame : Frame or int
        How a picture becomes a square of side S; a number is the side of its central one.
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
    >>> [node.op_type for node in resizing(Frame(32, filter="bicubic"), "Resize").nodes]
    ['Resize', 'Clip', 'Round']
    """
    frame = framed(frame)
    inner = "filtered" if frame.fit == "pad" else "resized"
    ours = frame.fit == "crop" and frame.filter == "bilinear"
    sizes = {"pad": _inner_size, "centre": _scaled_size}.get(frame.fit)
    parts = [sizes(frame)] if sizes else []
    make = _by_products if resize == "MatMul" else _by_operator
    parts.append(make(frame, inner if ours else "overshot"))
    if not ours:
        parts.append(_as_bytes("overshot", inner))
    if frame.fit == "pad":
        parts.append(_padding(frame))
    return joined(parts)


def _as_bytes(source: str, target: str) -> Part:
    """Return what clips and rounds numbers as Pillow does, whose results are bytes.

    The bicubic filter goes beyond the range; and networks of other makers see rounded numbers, by
    which some vectors move more than by anything else.
    """
    node = helper.make_node
    nodes = [
        node("Clip", [source, "black", "white"], ["clipped"]),
        node("Round", ["clipped"], [target]),
    ]
    return Part(nodes, {"black": np.array(0, np.float32), "white": np.array(255, np.float32)})


def joined(parts: list[Part]) -> Part:
    """Return parts one after the other as one."""
    constants: dict[str, NDArray[Any]] = {}
    for part in parts:
        constants |= part.constants
    return Part([node for part in parts for node in part.nodes], constants)


def _by_operator(frame: Frame, output: str) -> Part:
    """Return the form that uses the operator `Resize`."""
    computed = frame.fit in ("pad", "centre")
    cubic: dict[str, Any] = {} if frame.filter == "bilinear" else {"cubic_coeff_a": BICUBIC}
    node = helper.make_node(
        "Resize",
        ["floats", "", "", "inner" if computed else "target"],
        ["scaled_whole" if frame.fit == "centre" else output],
        mode="linear" if frame.filter == "bilinear" else "cubic",
        antialias=1,
        # Without it ONNX repeats edge pixels where Pillow and torch renormalise: off by up to
        # 7 % of the range at the border.
        exclude_outside=1,
        axes=[2, 3],
        coordinate_transformation_mode="half_pixel",
        **cubic,
    )
    target = {} if computed else {"target": np.array([frame.size, frame.size], np.int64)}
    if frame.fit == "centre":
        cut = helper.make_node("Slice", ["scaled_whole", "from", "till", "sides"], [output])
        return Part([node, cut], {"sides": np.array([2, 3], np.int64)})
    return Part([node], target)


def _by_products(frame: Frame, output: str) -> Part:
    """Return the form R · floats · Cᵀ, whose matrices R and C are made while the graph runs.

    A cropped picture is a square, and both matrices are the same. Between the two products there
    are n·S numbers a channel, fewer than in a picture that is shrunk.
    """
    node = helper.make_node
    if frame.fit == "crop":
        parts = [_matrix("", "side", frame.size, frame.filter)]
        rows, columns = "rows", "rows"
    else:
        centre = frame.fit == "centre"
        split = {"kept" if centre else "hw": "side"}
        split |= {"inner": "inner"} if frame.fit in ("pad", "centre") else {}
        split |= {"from": "offset"} if centre else {}
        sides = [
            node("Split", [both], [f"down/{one}", f"across/{one}"], axis=0, num_outputs=2)
            for both, one in split.items()
        ]
        size = None if frame.fit == "pad" else frame.size
        parts = [
            Part(sides, {}),
            _matrix("down/", "down/side", size, frame.filter, cut=centre),
            _matrix("across/", "across/side", size, frame.filter, cut=centre),
        ]
        rows, columns = "down/rows", "across/rows"
    nodes = [
        node("Transpose", [columns], ["columns"], perm=[1, 0]),
        node("MatMul", ["floats", "columns"], ["narrow"]),
        node("MatMul", [rows, "narrow"], [output]),
    ]
    return joined([*parts, Part(nodes, {})])


def _matrix(prefix: str, side: str, size: int | None, kernel: Filter, *, cut: bool = False) -> Part:
    """Return what makes the matrix `rows` [S, n] of filter weights from n, int64 [1], as it runs.

    The centres of pixel i of n, and of pixel o of the S of the result, lie at (i + ½)/n and
    (o + ½)/S of the side. In units of 1/(2·n·S) these are whole numbers, (2·i + 1)·S and
    (2·o + 1)·n, and the filter reaches 2·max(n, S), or twice that if it is bicubic. So the
    triangles of the filter are exact, also in runtimes that compute in half precision, where a
    difference of two large numbers would be wrong. All runtimes have integers of 32 bits, which
    hold 2·n·S for n up to 262,143 at the largest S of the contract.

    Without a `size`, S is `inner`, int64 [1], as the graph runs. With `cut`, the rows are `size`
    ones of these, from `offset`, int64 [1], on.
    """
    node = helper.make_node
    at = prefix.__add__
    known = _unknown_size(at, size if cut else None)
    if size is not None and not cut:
        known = _known_size(at, size)
    nodes = [
        node("Cast", [side], [at("n")], to=TensorProto.INT32),
        node("Squeeze", [at("n"), at("first")], [at("count")]),
        node("Mul", [at("count"), at("twice_size")], [at("end")]),
        node("Range", [at("size"), at("end"), at("twice_size")], [at("pixels_at")]),
        node("Mul", [at("odd"), at("n")], [at("places_at")]),
        node("Sub", [at("places_at"), at("pixels_at")], [at("apart")]),
        node("Abs", [at("apart")], [at("distance")]),
        node("Max", [at("n"), at("size")], [at("spacing")]),
        node("Mul", [at("spacing"), at("pair")], [at("reach")]),
    ]
    constants: dict[str, NDArray[Any]] = {at("first"): np.array([0], np.int64), **known.constants}
    kernels = _triangle(at) if kernel == "bilinear" else _cubic(at)
    constants |= {at("pair"): np.array(2, np.int32), **kernels.constants}
    constants[at("along_pixels")] = np.array([1], np.int64)
    weights = at("triangle" if kernel == "bilinear" else "cubic")
    weighed = [
        node("ReduceSum", [weights, at("along_pixels")], [at("total")], keepdims=1),
        node("Div", [weights, at("total")], [at("rows")]),
    ]
    return Part([*known.nodes, *nodes, *kernels.nodes, *weighed], constants)


def _known_size(at: Callable[[str], str], size: int) -> Part:
    """Return the numbers that `_matrix` needs of an S that is known."""
    constants: dict[str, NDArray[Any]] = {
        at("size"): np.array(size, np.int32),
        at("twice_size"): np.array(2 * size, np.int32),
        at("odd"): np.arange(1, 2 * size, 2, dtype=np.int32)[:, None],
    }
    return Part([], constants)


def _unknown_size(at: Callable[[str], str], cut: int | None) -> Part:
    """Return what computes them of `inner`, int64 [1]; of `cut` rows, of `offset` as well."""
    node = helper.make_node
    nodes = [
        node("Cast", [at("inner")], [at("sizes")], to=TensorProto.INT32),
        node("Squeeze", [at("sizes"), at("first")], [at("size")]),
        node("Mul", [at("size"), at("pair")], [at("twice_size")]),
    ]
    if cut is not None:
        nodes += [
            node("Cast", [at("offset")], [at("offsets")], to=TensorProto.INT32),
            node("Mul", [at("offsets"), at("pair")], [at("skipped")]),
            node("Add", [at("skipped"), at("odds")], [at("odd")]),
        ]
        return Part(nodes, {at("odds"): np.arange(1, 2 * cut, 2, dtype=np.int32)[:, None]})
    nodes += [
        node("Range", [at("unit"), at("twice_size"), at("pair")], [at("odds")]),
        node("Unsqueeze", [at("odds"), at("along_pixels")], [at("odd")]),
    ]
    return Part(nodes, {at("unit"): np.array(1, np.int32)})


def _triangle(at: Callable[[str], str]) -> Part:
    """Return the bilinear filter: `triangle` from `distance` and `reach`."""
    node = helper.make_node
    nodes = [
        node("Sub", [at("reach"), at("distance")], [at("within")]),
        node("Max", [at("within"), at("none")], [at("height")]),
        node("Cast", [at("height")], [at("height_float")], to=TensorProto.FLOAT),
        node("Cast", [at("reach")], [at("reach_float")], to=TensorProto.FLOAT),
        # Before the sum, which would be beyond the range of half precision.
        node("Div", [at("height_float"), at("reach_float")], [at("triangle")]),
    ]
    return Part(nodes, {at("none"): np.array(0, np.int32)})


def _cubic(at: Callable[[str], str]) -> Part:
    """Return the bicubic filter, `cubic`, of t = distance / reach; it ends at t = 2.

    Below 1 it is (a+2)·t³ - (a+3)·t² + 1, from there on a·t³ - 5a·t² + 8a·t - 4a, both by Horner's
    rule.
    """
    node = helper.make_node
    nodes = [
        node("Cast", [at("distance")], [at("distance_float")], to=TensorProto.FLOAT),
        node("Cast", [at("reach")], [at("reach_float")], to=TensorProto.FLOAT),
        node("Div", [at("distance_float"), at("reach_float")], [at("beyond")]),
        node("Min", [at("beyond"), at("cubic/two")], [at("t")]),
        node("Less", [at("t"), at("cubic/one")], [at("is_near")]),
    ]
    constants: dict[str, NDArray[Any]] = {
        at("cubic/one"): np.array(1, np.float32),
        at("cubic/two"): np.array(2, np.float32),
    }
    a = BICUBIC
    for name, factors in (("near", (a + 2, -(a + 3), 0, 1)), ("far", (a, -5 * a, 8 * a, -4 * a))):
        sum_so_far = at(f"{name}/0")
        constants |= {at(f"{name}/{n}"): np.array(f, np.float32) for n, f in enumerate(factors)}
        for number in range(1, 4):
            product, total = at(f"{name}/product{number}"), at(f"{name}/sum{number}")
            nodes += [
                node("Mul", [sum_so_far, at("t")], [product]),
                node("Add", [product, at(f"{name}/{number}")], [total]),
            ]
            sum_so_far = total
    nodes.append(node("Where", [at("is_near"), at("near/sum3"), at("far/sum3")], [at("cubic")]))
    return Part(nodes, constants)


def _inner_size(frame: Frame) -> Part:
    """Return what makes `inner`, int64 [2]: the sides in the square, as of `Frame.inner`."""
    node = helper.make_node
    nodes = [
        node("ReduceMax", ["hw"], ["longer"], keepdims=1),
        node("Mul", ["hw", "doubled_size"], ["scaled"]),
        node("Add", ["scaled", "longer"], ["rounding"]),
        node("Mul", ["longer", "two_sides"], ["twice_longer"]),
        node("Div", ["rounding", "twice_longer"], ["rounded"]),
        node("Max", ["rounded", "one_pixel"], ["inner"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "doubled_size": np.array([2 * frame.size], np.int64),
        "two_sides": np.array([2], np.int64),
        "one_pixel": np.array([1], np.int64),
    }
    return Part(nodes, constants)


def _scaled_size(frame: Frame) -> Part:
    """Return what makes `inner`, as of `Frame.inner`, and where it is cut: `from` and `till`."""
    node = helper.make_node
    nodes = [
        node("Mul", ["kept", "square"], ["multiplied"]),
        node("Div", ["multiplied", "side"], ["inner"]),
        node("Sub", ["inner", "square"], ["beyond_square"]),
        node("Div", ["beyond_square", "two_sides"], ["from"]),
        node("Add", ["from", "square"], ["till"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "square": np.array([frame.size, frame.size], np.int64),
        "two_sides": np.array([2], np.int64),
    }
    return Part(nodes, constants)


def _padding(frame: Frame) -> Part:
    """Return what lays `filtered` in the middle of a square of the frame's ground, `resized`."""
    node = helper.make_node
    nodes = [
        node("Sub", ["square", "inner"], ["empty"]),
        node("Div", ["empty", "two_sides"], ["before"]),
        node("Sub", ["empty", "before"], ["behind"]),
        node("Concat", ["no_pads", "before", "no_pads", "behind"], ["pads"], axis=0),
        # The operator adds one number to all channels, and the ground has one for each.
        node("Sub", ["filtered", "ground"], ["above_ground"]),
        node("Pad", ["above_ground", "pads"], ["padded"]),
        node("Add", ["padded", "ground"], ["resized"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "square": np.array([frame.size, frame.size], np.int64),
        "no_pads": np.array([0, 0], np.int64),
        "ground": np.array(frame.ground, np.float32).reshape(1, 3, 1, 1),
    }
    return Part(nodes, constants)
