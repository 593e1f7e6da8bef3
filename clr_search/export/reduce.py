"""An encoder file is changed into another one: with reduced weights, or portable.

Reduced weights are refused if searches would find other pictures with them. None of this needs
torch, so that it works on any `encoder.onnx`, also on one whose run is not at hand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.card import Card
from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import ModelFile, read_model
from clr_search.contract.runtime import open_session, vectors
from clr_search.errors import UsageError
from clr_search.export.graph import with_card
from clr_search.export.portable import made_portable
from clr_search.export.precision import LEAST_AGREEMENT, drift, halved, require_agreement, widened
from clr_search.export.quantize import quantized
from clr_search.export.report import ExportReport, refuse_outputs, write_encoder
from clr_search.export.sample import blobs, draw
from clr_search.files.finding.find import find_images
from clr_search.files.finding.image_file import ImageFile
from clr_search.progress import Reporter, Silent

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "fp16", "int8"]
"""Number format of the weights in the file."""

_ROUNDS, _ROUND_PICTURES = 12, 4
"""Number of rounds in which the speed of two models is compared, and of pictures in a round."""

_DRAWINGS = 256
"""Number of drawings that half precision is compared on if no pictures are given."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """An encoder with reduced weights.

    Attributes
    ----------
    data : bytes
        Content of the file. Its card holds the drift, and the golden vector that it gives itself.
    speed : float
        Its speed over that of the encoder with full weights, on this machine.
    """

    data: bytes
    speed: float


def pictures_for(
    precision: Precision | None, calibrate_on: Sequence[Path], otherwise: Sequence[Path] = ()
) -> list[ImageFile]:
    """Find the pictures to measure reduced weights on.

    Parameters
    ----------
    precision : str or None
        Number format of the weights to write; None or "fp32" if they are not reduced.
    calibrate_on : sequence of Path
        Folders or files that were given for this purpose.
    otherwise : sequence of Path
        Folders or files to take if none were.

    Returns
    -------
    list of ImageFile
        The pictures; none if no weights are reduced, and maybe none for fp16.

    Raises
    ------
    UsageError
        If int8 is wanted and no folders are given, or `calibrate_on` is given and no weights are
        reduced.

    Examples
    --------
    >>> pictures_for("fp16", [])
    []
    """
    reduces = precision in ("fp16", "int8")
    if calibrate_on and not reduces:
        raise UsageError(
            "--calibrate is of weights that are reduced, and these stay as they are.",
            "Add --precision int8 (or fp16), or leave --calibrate out.",
        )
    folders = calibrate_on or otherwise
    if precision == "int8" and not folders:
        raise UsageError(
            "--precision int8 measures the ranges of numbers on pictures, and none are given.",
            "Name some hundred that are like those to be searched: --calibrate IMAGES",
        )
    return find_images(folders) if folders and reduces else []


def export_encoder(
    source: Path,
    out: Path,
    *,
    precision: Precision | None = None,
    portable: bool = False,
    calibrate_on: Sequence[Path] = (),
    force: bool = False,
    reporter: Reporter | None = None,
) -> ExportReport:
    """Export an encoder file as another one, with `golden.json` beside it.

    Parameters
    ----------
    source : Path
        An `encoder.onnx`, with fp32 or fp16 weights if they are to be reduced.
    out : Path
        The file to write.
    precision : str, optional
        Number format of the new weights, "fp16" or "int8"; by default, that of `source`.
    portable : bool
        Whether to resize pictures by matrix products, for runtimes whose `Resize` has no
        antialiasing; see `resize`. The vectors stay the same but for rounding.
    calibrate_on : sequence of Path
        Folders of pictures without labels, to measure the reduced weights on.
    force : bool
        Whether to overwrite `out` and the `golden.json` beside it, and to accept any reduced
        weights.
    reporter : Reporter, optional
        Receives the progress; by default, none is shown.

    Returns
    -------
    ExportReport
        The path, size and metadata of the file, and its speed if weights were reduced.

    Raises
    ------
    UsageError
        If `source` is no encoder or has the wanted form already, or an output exists and `force`
        is False, or there are too few pictures, or some and no weights are reduced.
    ClrSearchError
        If too few neighbours stay the same and `force` is False, or a portable graph gives other
        vectors.

    Examples
    --------
    With an encoder on disk::

        report = export_encoder(Path("encoder.onnx"), Path("half.onnx"), precision="fp16")
        print(report.bytes, report.speed)
    """
    refuse_outputs(out, force=force)
    reporter = reporter or Silent()
    model = read_model(source)
    target = _target_precision(model, precision, portable=portable)
    files = pictures_for(target, calibrate_on)
    import onnx

    graph, card = onnx.load_model_from_string(model.data), model.card
    if target:
        graph = widened(graph)
    if portable and card.resize != "MatMul":
        graph, card = made_portable(graph, card, source, reporter)
    if not target:
        return write_encoder(out, with_card(graph, card))
    smaller = reduced(graph, card, target, files, force=force, reporter=reporter)
    return write_encoder(out, smaller.data, speed=smaller.speed)


def _target_precision(
    model: ModelFile, precision: Precision | None, *, portable: bool
) -> Precision | None:
    """Return the precision that weights are to be reduced to; None if they stay as they are.

    Raises
    ------
    UsageError
        If the weights cannot be reduced to it, or nothing would change at all.
    """
    card = model.card
    if card.classes:
        raise UsageError(
            f"{model.path} is a probe.", "Export its encoder, and fit the probe again behind that."
        )
    changes = portable and card.resize != "MatMul"
    if changes and precision in (None, card.precision):
        return None
    if precision is None:
        what = "is portable already" if portable else "would stay as it is"
        raise UsageError(
            f"{model.path} {what}.",
            "Say what it is to become: --precision fp16 or int8"
            + ("." if portable else ", or --portable."),
        )
    narrower = {"fp32": ("fp16", "int8"), "fp16": ("int8",)}.get(card.precision, ())
    if precision not in narrower:
        raise UsageError(
            f"{model.path} has {card.precision} weights, which cannot become {precision}.",
            "Export the run that it came from.",
        )
    return precision


def reduced(
    model: onnx.ModelProto,
    card: Card,
    precision: Precision,
    files: Sequence[ImageFile],
    *,
    force: bool,
    reporter: Reporter,
) -> Reduced:
    """Reduce the weights of a model, and compare its vectors and its speed with those before.

    Parameters
    ----------
    model : ModelProto
        A model with float32 weights, which is not changed.
    card : Card
        Card of the model.
    precision : str
        Number format of the new weights, "fp16" or "int8".
    files : sequence of ImageFile
        Files of pictures; their labels are not used. Without any, fp16 is compared on drawings.
    force : bool
        Whether to accept any drift.
    reporter : Reporter
        Receives the progress.

    Returns
    -------
    Reduced
        The new file, and its speed.

    Raises
    ------
    UsageError
        If pictures are given, but too few.
    ClrSearchError
        If the share of neighbours that stay the same is below `precision.LEAST_AGREEMENT`, and
        `force` is False.
    """
    exact = with_card(model, card)
    sample = draw(files, card.frame, reporter) if files else None
    compared = _drawings() if sample is None else sample.compared
    if precision == "fp16" or sample is None:
        smaller = halved(model)
    else:
        reporter.message(f"Calibrating on {len(sample.calibrating):,} pictures …")
        smaller = quantized(model, sample.calibrating)
    plain = with_card(smaller, card)
    session = open_session(plain)
    change = drift(vectors(open_session(exact), compared), vectors(session, compared))
    if not force:
        require_agreement(change, precision)
    elif change.agreement < LEAST_AGREEMENT:
        reporter.message(
            f"Only {change.agreement:.1%} of the ten nearest neighbours stay the same: "
            "written all the same, by --force."
        )
    golden_size = golden_size_for(card.image_size)
    golden = vectors(session, golden_picture(golden_size)[None])[0]
    card = replace(
        card,
        precision=precision,
        mean_cosine=round(change.mean_cosine, 6),
        agreement=round(change.agreement, 4),
        golden_size=golden_size,
        golden=tuple(golden.tolist()),
    )
    return Reduced(with_card(smaller, card), _speed_ratio(exact, plain, compared))


def _drawings() -> NDArray[np.uint8]:
    """Draw the pictures that stand in where none are given, uint8 [N, 64, 64, 3]."""
    generator = np.random.default_rng(0)
    return np.stack([blobs(generator, 64, 64) for _ in range(_DRAWINGS)])


def _speed_ratio(exact: bytes, reduced: bytes, pictures: NDArray[np.uint8]) -> float:
    """Measure how many times as fast the second model is, on one core of this machine.

    Both models embed the same pictures alternately. The fastest round of each counts, in processor
    time, so that other work on the machine hardly matters.

    Parameters
    ----------
    exact, reduced : bytes
        Two serialised models that follow the contract.
    pictures : uint8 array, shape (N, S, S, 3)
        RGB pictures, of which the first `_ROUND_PICTURES` are embedded.
    """
    sessions = [open_session(exact, 1), open_session(reduced, 1)]
    fastest = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for number, session in enumerate(sessions):
            began = time.process_time()
            vectors(session, pictures[:_ROUND_PICTURES])
            fastest[number] = min(fastest[number], time.process_time() - began)
    return fastest[0] / max(fastest[1], 1e-9)
