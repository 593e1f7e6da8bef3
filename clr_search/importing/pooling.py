"""Pooling makes one vector of what a network gives: of a vector, of tokens or of a map.

The same arithmetic stands here twice: as nodes of a graph, and in numpy, by which the graph is
checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from clr_search.errors import UsageError
from clr_search.export.resize import Part
from clr_search.importing.recipe import Layout, Pool

Kind = Literal["vector", "tokens", "map"]

POWER, FLOOR = 3.0, 1e-6
"""Exponent of generalised-mean pooling (Radenović and others, 1711.02512), and its least base."""

_MOST_PREFIX = 16
"""Most tokens before those of the patches; more are taken as a sign that there are no patches."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a tensor becomes vectors, with every value settled.

    Attributes
    ----------
    kind : str
        "vector" [N, D], "tokens" [N, T, D] or "map" [N, C, H, W] or [N, H, W, C].
    pool : str
        "cls", "mean", "gem", "cls+mean" or "none", which flattens.
    prefix : int
        Tokens before those of the patches.
    axes : tuple of int
        Axes that are averaged over.
    """

    kind: Kind
    pool: Pool
    prefix: int
    axes: tuple[int, ...]

    def phrase(self, output: str) -> str:
        """Return a phrase on the embedding, for people."""
        if self.kind == "vector":
            return output
        if self.pool == "none":
            return f"{output}, flattened"
        if self.kind == "map":
            return f"{output}, {self.pool} over the map"
        over = f"{self.pool} of tokens"
        behind = f", patches behind {self.prefix} tokens" if self.pool != "cls" else ""
        return f"{output}, {over}{behind}"

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Pool in numpy: values [N, …] to vectors [N, D], not normalised."""
        values = np.asarray(values, np.float32)
        if self.kind == "vector" or self.pool == "none":
            return values.reshape(len(values), -1)
        patches = values[:, self.prefix :] if self.kind == "tokens" else values
        if self.pool == "cls":
            return values[:, 0]
        if self.pool == "gem":
            powers = np.maximum(patches, np.float32(FLOOR)) ** np.float32(POWER)
            mean: NDArray[np.float32] = powers.mean(axis=self.axes)
            return mean ** np.float32(1 / POWER)
        means: NDArray[np.float32] = patches.mean(axis=self.axes)
        return np.concatenate([values[:, 0], means], axis=1) if "+" in self.pool else means

    def part(self, source: str, target: str) -> Part:
        """Return the nodes that do the same: from the tensor `source` to `target`, [N, D]."""
        node = helper.make_node
        constants: dict[str, NDArray[Any]] = {"pool/axes": np.array(self.axes, np.int64)}
        nodes: list[onnx.NodeProto] = []
        if self.kind == "vector" or self.pool == "none":
            return Part([node("Flatten", [source], [target], axis=1)], {})
        if "cls" in self.pool:
            constants["pool/first"] = np.array(0, np.int64)
            first = target if self.pool == "cls" else "pool/class"
            nodes.append(node("Gather", [source, "pool/first"], [first], axis=1))
            if self.pool == "cls":
                del constants["pool/axes"]
                return Part(nodes, constants)
        if self.kind == "tokens" and self.prefix:
            constants |= {
                "pool/from": np.array([self.prefix], np.int64),
                "pool/to": np.array([2**31 - 1], np.int64),
                "pool/along": np.array([1], np.int64),
            }
            ends = ["pool/from", "pool/to", "pool/along"]
            nodes.append(node("Slice", [source, *ends], ["pool/patches"]))
            source = "pool/patches"
        if self.pool == "gem":
            constants |= {
                "pool/floor": np.array(FLOOR, np.float32),
                "pool/power": np.array(POWER, np.float32),
                "pool/root": np.array(1 / POWER, np.float32),
            }
            nodes += [
                node("Max", [source, "pool/floor"], ["pool/positive"]),
                node("Pow", ["pool/positive", "pool/power"], ["pool/powers"]),
                node("ReduceMean", ["pool/powers", "pool/axes"], ["pool/mean"], keepdims=0),
                node("Pow", ["pool/mean", "pool/root"], [target]),
            ]
            return Part(nodes, constants)
        mean = "pool/mean" if "+" in self.pool else target
        nodes.append(node("ReduceMean", [source, "pool/axes"], [mean], keepdims=0))
        if "+" in self.pool:
            nodes.append(node("Concat", ["pool/class", mean], [target], axis=1))
        return Part(nodes, constants)


def pooling_of(
    shape: tuple[int, ...], pool: Pool | None, layout: Layout, prefix: int | None = None
) -> Pooling:
    """Decide how a tensor is pooled.

    Parameters
    ----------
    shape : tuple of int
        Shape of the tensor for one picture, N included.
    pool : str or None
        What is asked for; by default, the class token where there is one, else the mean.
    layout : str
        "nchw" or "nhwc", where the shape of a map does not tell.
    prefix : int, optional
        Number of tokens before those of the patches; by default, what is left when the patches
        are taken to make a square.

    Raises
    ------
    UsageError
        If the tensor cannot be pooled so.

    Examples
    --------
    >>> pooling_of((1, 257, 384), None, "nchw").pool, pooling_of((1, 256, 384), None, "nchw").pool
    ('cls', 'mean')
    """
    spelt = " × ".join(map(str, shape))
    if len(shape) == 2:
        if pool not in (None, "none"):
            raise UsageError(
                f"The output is a vector already ({spelt}): it cannot be pooled by {pool}.",
                "Leave --pool out, or name an inner tensor: --output NAME",
            )
        return Pooling("vector", "none", 0, ())
    if len(shape) == 4:
        if pool in ("cls", "cls+mean"):
            raise UsageError(
                f"The output is a map ({spelt}), which has no class token for --pool {pool}.",
                "Give --pool mean or gem.",
            )
        return Pooling("map", pool or "mean", 0, _places(shape, layout))
    if len(shape) != 3:
        raise UsageError(
            f"The output has the shape {spelt}, which is no vector, no tokens and no map.",
            "Name another tensor: --output NAME",
        )
    if prefix is None:
        prefix = shape[1] - math.isqrt(shape[1]) ** 2
        prefix = prefix if prefix <= _MOST_PREFIX else 0
    if not 0 <= prefix < shape[1]:
        raise UsageError(f"{prefix} of {shape[1]} tokens cannot precede the patches.")
    return Pooling("tokens", pool or ("cls" if prefix else "mean"), prefix, (1,))


def _places(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    """Return the two axes of a map that are places; sides that are equal tell, else the layout."""
    _, first, second, third = shape
    if second == third != first:
        return 2, 3
    if first == second != third:
        return 1, 2
    return (2, 3) if layout == "nchw" else (1, 2)
