"""What an ONNX file of any maker is, in a few facts, and the command that imports it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.contract.card import PREFIX
from clr_search.errors import UsageError
from clr_search.importing.foreign import (
    dims_of,
    graphs_of,
    inputs_of,
    opset_of,
    read_foreign,
    refuse_operators,
    spelt_list,
)

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class ForeignFacts:
    """What is in an ONNX file that is no encoder of clr-search.

    Attributes
    ----------
    inputs, outputs : str
        The tensors that it reads and gives, with types and sizes.
    opset : int
        Version of the standard operators.
    nodes : int
        Number of nodes.
    producer : str
        What made it.
    obstacle : str
        Why it cannot be imported; empty where nothing is known against it.
    command : str
        The command that imports it.
    """

    inputs: str
    outputs: str
    opset: int
    nodes: int
    producer: str
    obstacle: str
    command: str


def describe_foreign(path: Path) -> ForeignFacts | None:
    """Describe an ONNX file; None if it is an encoder of clr-search, or no ONNX file at all.

    Raises
    ------
    UsageError
        If weights of the file that lie beside it are missing, or it is too large.
    """
    if not _is_foreign(path):
        return None
    model = read_foreign(path).model
    obstacle = ""
    try:
        refuse_operators(model, path)
    except UsageError as error:
        obstacle = str(error)
    nodes = sum(len(graph.node) for graph in graphs_of(model.graph))
    producer = f"{model.producer_name} {model.producer_version}".strip()[:100]
    inputs, outputs = inputs_of(model.graph), list(model.graph.output)
    return ForeignFacts(
        spelt_list(inputs), spelt_list(outputs), opset_of(model), nodes, producer, obstacle,
        _command(path, model),
    )  # fmt: skip


def _is_foreign(path: Path) -> bool:
    """Return whether a file is ONNX, and has no card."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, OSError):
        return False
    keys = {item.key for item in model.metadata_props}
    return bool(model.graph.node) and f"{PREFIX}contract_version" not in keys


def _command(path: Path, model: onnx.ModelProto) -> str:
    """Return the command that imports a file, with the options that it cannot do without."""
    parts = ["clr-search", "import-encoder", str(path), "--out", "encoder.onnx"]
    inputs = inputs_of(model.graph)
    sizes = dims_of(inputs[0]) if len(inputs) == 1 else []
    if len(sizes) == 4 and not any(size is not None and size > 4 for size in sizes[1:]):
        parts += ["--image-size", "224"]
    if len(model.graph.output) > 1:
        parts += ["--output", model.graph.output[0].name]
    return shlex.join([*parts, "--mean", "…", "--std", "…"]).replace("'…'", "…")
