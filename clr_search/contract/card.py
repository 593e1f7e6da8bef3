"""The card is what a model file says of itself: the ONNX field `metadata_props`, as a value."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clr_search.errors import UsageError
from clr_search.files.strict_json import checked_fields, is_of
from clr_search.images.geometry import Filter, Fit, Frame

VERSION = 1  # Edition of the contract that exports follow.
IMPORTED = 2  # Edition of imported encoders, whose graphs and geometry are not of our making.
VERSIONS = (VERSION, IMPORTED)  # A file of another edition is refused.

GOLDEN_SIZE = (61, 97)
"""Height and width, in pixels, of the golden picture of files that do not state it."""

Resize = Literal["Resize", "MatMul"]
"""How a graph resizes: by the operator `Resize` with its antialiasing, or by matrix products."""

_MOST_TEXT = 4 * 2**20  # characters of a value of the metadata
_SHOWN = 200  # characters of a damaged value that an error shows

_EDITION_2 = ("fit", "filter", "ground", "origin", "imported")  # the keys that edition 1 lacks

PREFIX = "clr_search."  # Every metadata key of ours begins with this.


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
    fit, filter, ground : str, str, tuple of int
        Edition 2: how a picture becomes the square of side S, as `images.Frame` has it.
    origin : str
        Edition 2: which network was imported: a name, or a file name and its SHA-256.
    imported : bool
        Edition 2: whether the encoder was made elsewhere, and only wrapped here.
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
    fit: Fit = "crop"
    filter: Filter = "bilinear"
    ground: tuple[int, int, int] = (0, 0, 0)
    origin: str = ""
    imported: bool = False
    golden_size: tuple[int, int] = GOLDEN_SIZE
    golden: tuple[float, ...] = field(default=(), repr=False)
    contract_version: int = VERSION

    @property
    def frame(self) -> Frame:
        """How a picture becomes the square that the encoder sees."""
        return Frame(self.image_size, self.fit, self.filter, self.ground)

    def to_metadata(self) -> dict[str, str]:
        """Return the strings of `metadata_props`; every value but the golden vector is JSON.

        The keys on novelty are left out where there is no such output, and so are a `resize` of
        "Resize", empty `initial_weights` and, in edition 1, the keys of edition 2, so that such
        encoders have the same bytes as in earlier releases.
        """
        metadata = {
            PREFIX + item.name: json.dumps(getattr(self, item.name), ensure_ascii=False)
            for item in fields(self)
            if item.name != "golden"
            and not (self.novelty_refused is None and item.name.startswith("novelty_"))
            and not (self.resize == "Resize" and item.name == "resize")
            and not (not self.initial_weights and item.name == "initial_weights")
            and not (self.contract_version == VERSION and item.name in _EDITION_2)
        }
        golden = np.asarray(self.golden, dtype="<f4").tobytes()
        metadata[PREFIX + "golden"] = base64.b64encode(golden).decode("ascii")
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
        if PREFIX + "contract_version" not in metadata:
            raise UsageError(
                f"{path} is an ONNX file, but no encoder of clr-search yet: it has no "
                f"{PREFIX}contract_version in its metadata.",
                "Make it one with: clr-search import-encoder FILE --out encoder.onnx; "
                "clr-search info FILE says what is in it.",
            )
        try:
            version = _json(metadata[PREFIX + "contract_version"])
            if version not in VERSIONS or isinstance(version, bool):
                raise UsageError(
                    f"{path} follows contract version {str(version)[:_SHOWN]}; this release reads "
                    f"{' and '.join(map(str, VERSIONS))}.",
                    "Use a matching release of clr-search, or export the encoder again.",
                )
            values: dict[str, Any] = {
                item.name: _json(metadata[PREFIX + item.name])
                for item in fields(cls)
                if item.name != "golden" and PREFIX + item.name in metadata
            }
            checked_fields(values, cls)
            for name, value in values.items():
                if isinstance(value, list):
                    _check_list(name, value)
            golden = base64.b64decode(metadata.get(PREFIX + "golden", ""), validate=True)
            values["golden"] = tuple(np.frombuffer(golden, dtype="<f4").tolist())
            values["classes"] = tuple(values.get("classes", ()))
            values["golden_size"] = tuple(values.get("golden_size", GOLDEN_SIZE))
            values["ground"] = tuple(values.get("ground", (0, 0, 0)))
            card = cls(**values)
            if any(not 0 <= value <= 255 for value in card.ground):
                raise ValueError("ground is no colour")
            return card
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
    if name == "ground" and len(values) != 3:
        raise ValueError("ground is no colour")
    if any(type(part) is not inner or not is_of(part, inner) for part in values):
        raise ValueError(f"{name} holds something else than {inner.__name__}")
