"""Reduced encoders: made from full ones, compared with them, refused where they find other things.

Without torch: any `encoder.onnx` can be reduced, also one from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.contract import Card, golden_picture, read_model
from clr_search.errors import UsageError
from clr_search.export.graph import with_card
from clr_search.export.precision import LEAST_AGREEMENT, drift, halved, require_agreement, widened
from clr_search.export.quantize import quantized
from clr_search.export.report import ExportReport, refuse_outputs, write_encoder
from clr_search.export.sample import blobs, draw
from clr_search.export.session import open_session, speed_ratio, vectors
from clr_search.files import ImageFile, find_images
from clr_search.progress import Reporter, Silent

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "fp16", "int8"]
"""How weights are kept in the file."""

_DRAWN = 256  # drawings that half precision is compared on where there are no pictures


@dataclass(frozen=True, slots=True)
class Reduced:
    """A reduced encoder.

    Attributes
    ----------
    data : bytes
        The file; its card tells the drift, and its golden vector is its own.
    speed : float
        How many times as fast as the full one, here.
    """

    data: bytes
    speed: float


def pictures_for(precision: Precision, folders: Sequence[Path]) -> list[ImageFile]:
    """Pictures to measure reduced weights on; none where none are needed or given.

    Raises
    ------
    UsageError
        If there are no pictures, and int8 needs them.
    """
    if precision == "int8" and not folders:
        raise UsageError(
            "--precision int8 measures the ranges of numbers on pictures, and none are given.",
            "Name some hundred that are like those to be searched: --calibrate IMAGES",
        )
    return find_images(folders) if folders and precision != "fp32" else []


def export_encoder(
    source: Path,
    out: Path,
    *,
    precision: Precision,
    calibrate_on: Sequence[Path] = (),
    force: bool = False,
    reporter: Reporter | None = None,
) -> ExportReport:
    """Reduce an encoder that is an ONNX file already, with `golden.json` beside the new one.

    Parameters
    ----------
    source : Path
        An `encoder.onnx` with fp32 or fp16 weights.
    out : Path
        The file to write.
    precision : str
        "fp16" or "int8".
    calibrate_on : sequence of Path
        Folders of pictures without labels, to measure the reduced weights on.
    force : bool
        Overwrite `out` and the `golden.json` beside it, and accept any reduced weights.
    reporter : Reporter, optional
        Is told the progress.

    Raises
    ------
    UsageError
        If `source` is no encoder, or has reduced weights already, or an output exists, or there
        are too few pictures.
    ClrSearchError
        If too few neighbours stay the same.
    """
    refuse_outputs(out, force=force)
    model = read_model(source)
    if model.card.classes:
        raise UsageError(
            f"{source} is a probe.", "Reduce the encoder, and fit the probe again behind it."
        )
    narrower = {"fp32": ("fp16", "int8"), "fp16": ("int8",)}.get(model.card.precision, ())
    if precision not in narrower:
        raise UsageError(
            f"{source} has {model.card.precision} weights, which cannot become {precision}.",
            "Export the run that it came from.",
        )
    import onnx

    graph = widened(onnx.load_model_from_string(model.data))
    files = pictures_for(precision, calibrate_on)
    found = reduced(graph, model.card, precision, files, force=force, reporter=reporter or Silent())
    return write_encoder(out, found.data, speed=found.speed)


def reduced(
    model: onnx.ModelProto,
    card: Card,
    precision: Precision,
    files: Sequence[ImageFile],
    *,
    force: bool,
    reporter: Reporter,
) -> Reduced:
    """Reduce the weights of a model, and compare it with what it was.

    Parameters
    ----------
    model : ModelProto
        With float32 weights.
    card : Card
        Of the model.
    precision : str
        "fp16" or "int8".
    files : sequence of ImageFile
        Pictures, their labels unused; without any, fp16 is compared on drawings.
    force : bool
        Accept any drift.
    reporter : Reporter
        Is told the progress.

    Raises
    ------
    UsageError
        If pictures are given, and too few.
    ClrSearchError
        If fewer neighbours stay than `precision.LEAST_AGREEMENT`, and `force` is False.
    """
    exact = with_card(model, card)
    sample = draw(files, card.image_size, reporter) if files else None
    compared = _drawings() if sample is None else sample.compared
    if precision == "fp16" or sample is None:
        smaller = halved(model)
    else:
        reporter.message(f"Calibrating on {len(sample.calibrating):,} pictures …")
        smaller = quantized(model, sample.calibrating)
    plain = with_card(smaller, card)
    session = open_session(plain)
    found = drift(vectors(open_session(exact), compared), vectors(session, compared))
    if not force:
        require_agreement(found, precision)
    elif found.agreement < LEAST_AGREEMENT:
        reporter.message(
            f"Only {found.agreement:.1%} of the ten nearest neighbours stay the same: "
            "written all the same, by --force."
        )
    card = replace(
        card,
        precision=precision,
        mean_cosine=round(found.mean_cosine, 6),
        agreement=round(found.agreement, 4),
        golden=tuple(vectors(session, golden_picture()[None])[0].tolist()),
    )
    return Reduced(with_card(smaller, card), speed_ratio(exact, plain, compared))


def _drawings() -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return np.stack([blobs(generator, 64, 64) for _ in range(_DRAWN)])
