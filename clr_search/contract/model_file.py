"""The contract of `encoder.onnx` and `probe.onnx`: what a file contains, and what is refused.

A model is one file without external data, of opset 18 or newer:

======  ===============  ==============================================================
input   `images`         uint8 [N, H, W, 3], RGB, any H and W ≥ 1, N dynamic
output  `embedding`      float32 [N, D], rows of unit L2 norm: h, before the projection head
output  `probabilities`  float32 [N, C], `probe.onnx` only; class names in the metadata
output  `novelty`        float32 [N], `probe.onnx` only, and where it could be calibrated: above 1,
                         the picture is of none of the classes
======  ===============  ==============================================================

Preprocessing is part of the graph: the central square of side min(H, W) is resized to S×S with
antialiased bilinear filtering and scaled to [0, 1]. Cropping first gives the same picture as first
resizing the shorter side to S, without the rounding of the longer side that makes implementations
differ by a pixel.

This module writes and reads the metadata and validates files; it imports neither torch nor
onnxruntime, so that export (which writes the contract) and serve (which reads it) share it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.contract.card import IMPORTED, Card
from clr_search.contract.graph_limits import refuse_costly, refuse_foreign_parts
from clr_search.errors import UsageError
from clr_search.files.own import OwnFile

if TYPE_CHECKING:
    import onnx

OPSET = 18  # The first opset with Resize(antialias=1).
IR_VERSION = 10  # Every ONNX Runtime since 1.18 reads this version of the ONNX format.

IMAGES = "images"
EMBEDDING = "embedding"
PROBABILITIES = "probabilities"
NOVELTY = "novelty"

TOLERANCE = 1e-4
"""Largest absolute difference between two runtimes that counts as the same vector."""

INT8_TOLERANCE = 0.05
"""The same for 8-bit encoders, whose kernels round and saturate differently on each processor: a
number next to the border of a step falls to either side, and later layers carry that on."""

MAX_MODEL_BYTES = 2**31 - 1
"""Largest size of a model file: protocol buffers end at 2 GiB, so a larger file is no model."""

MOST_PIXELS, MOST_NUMBERS = 4096, 65_536
"""Largest S (pixels) and D (numbers): a file that claims more would only exhaust the memory."""

MOST_GOLDEN = 50_000_000
"""Largest golden picture in pixels; exports of the largest S come to 45 million."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A validated model file: its bytes, their SHA-256, and its card."""

    path: Path
    data: bytes = field(repr=False)
    sha256: str
    card: Card


def read_model(path: Path | str | OwnFile) -> ModelFile:
    """Read and validate an encoder or probe before any runtime loads it.

    Parameters
    ----------
    path : path or OwnFile
        An `encoder.onnx` or `probe.onnx`; an `OwnFile` is one in a folder of ours.

    Returns
    -------
    ModelFile
        The bytes of the file, their hash and its card.

    Raises
    ------
    UsageError
        If the file does not exist, is truncated or not ONNX, keeps data outside itself, has sparse
        tensors, uses operators that are not standard ONNX, implies tensors beyond
        `graph_limits.MOST_BYTES`, or breaks the contract in names, types, sizes or version.
    """
    data = _content(path)
    return model_of(data, path.path if isinstance(path, OwnFile) else Path(path))


def model_of(data: bytes, path: Path) -> ModelFile:
    """Validate the bytes of an encoder or probe; `path` is where they are, or will be.

    Returns and raises what `read_model` does.
    """
    try:
        return _checked(data, path)
    except UnicodeDecodeError as error:  # Texts are decoded as they are read, wherever that is.
        raise UsageError(
            f"{path} is not a whole ONNX file: a text in it is not UTF-8.",
            "Copy or export it again.",
        ) from error


def _checked(data: bytes, path: Path) -> ModelFile:
    """Validate what `model_of` is given, and return what it does."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise UsageError(
            f"{path} is not a whole ONNX file: it is truncated, or something else.",
            "Copy or export it again.",
        ) from error
    if len({item.key for item in model.metadata_props}) != len(model.metadata_props):
        raise UsageError(
            f"{path} names an entry of its metadata twice.", "Copy or export it again."
        )
    if not model.graph.node:
        raise UsageError(f"{path} holds no ONNX graph.", "Copy or export it again.")
    metadata = {item.key: item.value for item in model.metadata_props}
    card = Card.from_metadata(metadata, path)
    refuse_foreign_parts(model, path, OPSET, imported=card.contract_version == IMPORTED)
    _check_sizes(card, path)
    _check_interface(model, card, path)
    refuse_costly(model, card.golden_size, path)
    return ModelFile(path, data, hashlib.sha256(data).hexdigest(), card)


def _content(path: Path | str | OwnFile) -> bytes:
    """Return the bytes of a model file; raise UsageError where it is missing or too large."""
    file = path if isinstance(path, OwnFile) else Path(path)
    there = isinstance(file, OwnFile) or file.is_file()
    status = (file.status() if isinstance(file, OwnFile) else file.stat()) if there else None
    if status is None:
        raise UsageError(f"There is no model file {file}.", "Make one with: clr-search export RUN")
    if status.st_size > MAX_MODEL_BYTES:
        raise UsageError(f"{file} is larger than 2 GiB, which no ONNX file can be.")
    return file.read_bytes()


def _check_sizes(card: Card, path: Path) -> None:
    """Raise UsageError if a size that the card states is not within its bounds."""
    for what, size, most in (
        ("image size", card.image_size, MOST_PIXELS),
        ("length of the embedding", card.embedding_dim, MOST_NUMBERS),
    ):
        if not isinstance(size, int) or not 1 <= size <= most:
            raise UsageError(
                f"{path} breaks the contract: its {what} is {size}, not within 1 and {most:,}.",
                "Export it again with this release.",
            )
    sides = card.golden_size
    whole = len(sides) == 2 and all(isinstance(side, int) and side >= 2 for side in sides)
    if not whole or math.prod(sides) > MOST_GOLDEN:
        raise UsageError(
            f"{path} breaks the contract: its golden picture is not of two sides, each of 2 pixels "
            f"or more, with {MOST_GOLDEN:,} pixels at most.",
            "Export it again with this release.",
        )


def _check_interface(model: onnx.ModelProto, card: Card, path: Path) -> None:
    """Raise UsageError unless inputs and outputs have the contract's names, types and shapes."""
    import onnx

    def spell(value: onnx.ValueInfoProto) -> str:
        tensor = value.type.tensor_type
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        sizes = [str(d.dim_value) if d.HasField("dim_value") else "?" for d in tensor.shape.dim]
        return f"{value.name} {kind}[{', '.join(sizes)}]"

    expected_in = [f"{IMAGES} uint8[?, ?, ?, 3]"]
    expected_out = [f"{EMBEDDING} float[?, {card.embedding_dim}]"]
    if card.classes:
        expected_out.append(f"{PROBABILITIES} float[?, {len(card.classes)}]")
        if card.novelty_refused is not None:
            expected_out.append(f"{NOVELTY} float[?]")
    initial = {tensor.name for tensor in model.graph.initializer}
    found_in = [spell(value) for value in model.graph.input if value.name not in initial]
    found_out = [spell(value) for value in model.graph.output]
    for what, expected, found in (
        ("inputs", expected_in, found_in),
        ("outputs", expected_out, found_out),
    ):
        if expected != found:
            raise UsageError(
                f"{path} breaks the contract: its {what} are {'; '.join(found) or 'none'}, "
                f"expected {'; '.join(expected)}.",
                "Export it again with this release.",
            )
