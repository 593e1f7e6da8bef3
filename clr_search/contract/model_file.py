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

import base64
import hashlib
import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clr_search.contract.graph_limits import refuse_costly, refuse_foreign_parts
from clr_search.errors import UsageError
from clr_search.files.own import OwnFile
from clr_search.files.strict_json import checked_fields, is_of

if TYPE_CHECKING:
    import onnx

VERSION = 1  # Version of this contract; a file of another version is refused.
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

GOLDEN_SIZE = (61, 97)
"""Height and width, in pixels, of the golden picture of files that do not state it."""

MOST_GOLDEN = 50_000_000
"""Largest golden picture in pixels; exports of the largest S come to 45 million."""

Resize = Literal["Resize", "MatMul"]
"""How a graph resizes: by the operator `Resize` with its antialiasing, or by matrix products."""

_MOST_TEXT = 4 * 2**20  # characters of a value of the metadata
_SHOWN = 200  # characters of a damaged value that an error shows

_PREFIX = "clr_search."  # Every metadata key of ours begins with this.


@dataclass(frozen=True, slots=True)
class Card:
    """The metadata of a model file, which the ONNX field `metadata_props` holds.

    Attributes
    ----------
    name : str
        Name for people.
    image_size : int
        S, the side in pixels of the square that the encoder sees.
    embedding_dim : int
        D, the length of the embedding.
    architecture, method, loss : str
        Names such as ``"resnet18 width 1"``, ``"simclr"``, ``"nt-xent"``.
    descriptor : str
        What the embedding consists of: ``"h"``, or a phrase on more features.
    training_data : str
        A sentence on the images that the encoder learned from; never their names.
    initial_weights : str
        What the training began from, where that was no random network: "the encoder that comes
        with clr-search", or "earlier weights", and the SHA-256 of the file of weights.
    epochs : int
        Number of epochs trained.
    temperature : float
        Temperature of the loss.
    knn_accuracy, probe_accuracy : float or None
        Fractions in [0, 1] on the training collection, where its folders gave labels.
    weights_sha256 : str
        SHA-256 of the `weights.safetensors` that the file was exported from.
    package_version, licence : str
        Version of clr-search that exported the file; a note on rights.
    precision : str
        ``"fp32"``, or what the weights were reduced to: ``"fp16"``, ``"int8"``.
    resize : str
        How pictures are resized: ``"Resize"`` by that operator, whose antialiasing some runtimes
        lack, or ``"MatMul"`` by matrix products.
    mean_cosine, agreement : float or None
        For a reduced encoder, measured on a sample: the mean cosine between its vectors and those
        of the full encoder, and the share in [0, 1] of the ten nearest neighbours that stay the
        same.
    classes : tuple of str
        Class names of a probe, in the order of `probabilities`; empty for an encoder.
    novelty_refused : float or None
        Share in [0, 1] of pictures of the classes whose `novelty` is above 1; None for a file
        without that output.
    novelty_pictures : int or None
        Number of known pictures that set the threshold of novelty.
    novelty_method : str
        How these were chosen: ``"held out"`` or ``"leave one out"``; see `serve.probe.novelty`.
    novelty_caught : float or None
        Estimated share in [0, 1] of pictures of other classes whose `novelty` is above 1; None
        where it was not estimated.
    golden_size : tuple of int
        Height and width in pixels of the golden picture; see `golden.golden_picture`.
    golden : tuple of float, length D
        Expected embedding of the golden picture, so that a file can be checked by itself.
    contract_version : int
        Version of this contract.
    """

    name: str
    image_size: int
    embedding_dim: int
    architecture: str
    method: str = "simclr"
    descriptor: str = "h"
    training_data: str = ""
    initial_weights: str = ""
    epochs: int = 0
    loss: str = ""
    temperature: float = 0.0
    knn_accuracy: float | None = None
    probe_accuracy: float | None = None
    weights_sha256: str = ""
    package_version: str = ""
    licence: str = ""
    precision: str = "fp32"
    resize: Resize = "Resize"
    mean_cosine: float | None = None
    agreement: float | None = None
    classes: tuple[str, ...] = ()
    novelty_refused: float | None = None
    novelty_pictures: int | None = None
    novelty_method: str = ""
    novelty_caught: float | None = None
    golden_size: tuple[int, int] = GOLDEN_SIZE
    golden: tuple[float, ...] = field(default=(), repr=False)
    contract_version: int = VERSION

    def to_metadata(self) -> dict[str, str]:
        """Return the strings of `metadata_props`; every value but the golden vector is JSON.

        The keys on novelty are left out where there is no such output, and so are a `resize` of
        "Resize" and empty `initial_weights`, so that such encoders have the same bytes as in
        earlier releases.
        """
        metadata = {
            _PREFIX + item.name: json.dumps(getattr(self, item.name), ensure_ascii=False)
            for item in fields(self)
            if item.name != "golden"
            and not (self.novelty_refused is None and item.name.startswith("novelty_"))
            and not (self.resize == "Resize" and item.name == "resize")
            and not (not self.initial_weights and item.name == "initial_weights")
        }
        golden = np.asarray(self.golden, dtype="<f4").tobytes()
        metadata[_PREFIX + "golden"] = base64.b64encode(golden).decode("ascii")
        return metadata

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], path: Path) -> Card:
        """Read the card from `metadata_props`; `path` is for messages.

        Raises
        ------
        UsageError
            If clr-search did not export the file, its contract version is unknown, or its metadata
            are damaged.
        """
        if _PREFIX + "contract_version" not in metadata:
            raise UsageError(
                f"{path} is an ONNX file, but not one exported by clr-search: it has no "
                f"{_PREFIX}contract_version in its metadata.",
                "Make one with: clr-search export RUN --out encoder.onnx",
            )
        try:
            version = _json(metadata[_PREFIX + "contract_version"])
            if version != VERSION or isinstance(version, bool):
                raise UsageError(
                    f"{path} follows contract version {str(version)[:_SHOWN]}; this release reads "
                    f"{VERSION}.",
                    "Use a matching release of clr-search, or export the encoder again.",
                )
            values: dict[str, Any] = {
                item.name: _json(metadata[_PREFIX + item.name])
                for item in fields(cls)
                if item.name != "golden" and _PREFIX + item.name in metadata
            }
            checked_fields(values, cls)
            for name, value in values.items():
                if isinstance(value, list):
                    _check_list(name, value)
            golden = base64.b64decode(metadata.get(_PREFIX + "golden", ""), validate=True)
            values["golden"] = tuple(np.frombuffer(golden, dtype="<f4").tolist())
            values["classes"] = tuple(values.get("classes", ()))
            values["golden_size"] = tuple(values.get("golden_size", GOLDEN_SIZE))
            return cls(**values)
        except (ValueError, TypeError, RecursionError) as error:  # "[[[[…" recurses too deeply.
            raise UsageError(
                f"{path} has unreadable metadata ({str(error)[:_SHOWN]}).",
                "Export the encoder again.",
            ) from error

    def summary(self) -> dict[str, Any]:
        """Return everything but the golden vector, for people and for `--json`."""
        return {
            item.name: getattr(self, item.name) for item in fields(self) if item.name != "golden"
        }


def _json(text: str) -> object:
    """Returns a value of the metadata; raises ValueError for JSON that no card has."""
    if len(text) > _MOST_TEXT:
        raise ValueError(f"a value has more than {_MOST_TEXT:,} characters")
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> float:
    """Refuses NaN and the infinities, which Python reads though they are no JSON."""
    raise ValueError(f"{name} is no number")


def _check_list(name: str, values: list[object]) -> None:
    """Raises ValueError if a list of a card holds something else than names, or sizes."""
    inner = str if name == "classes" else int
    if any(type(part) is not inner or not is_of(part, inner) for part in values):
        raise ValueError(f"{name} holds something else than {inner.__name__}")


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
    refuse_foreign_parts(model, path, OPSET)
    card = Card.from_metadata({item.key: item.value for item in model.metadata_props}, path)
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
