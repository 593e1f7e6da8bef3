"""Encoders from encoders: with reduced weights, refused where they find other things; or portable.

Without torch: it is done to any `encoder.onnx`, also one from elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import Card, ModelFile, read_model
from clr_search.contract.runtime import open_session, vectors
from clr_search.errors import UsageError
from clr_search.export.graph import with_card
from clr_search.export.portable import made_portable
from clr_search.export.precision import LEAST_AGREEMENT, drift, halved, require_agreement, widened
from clr_search.export.quantize import quantized
from clr_search.export.report import ExportReport, refuse_outputs, write_encoder
from clr_search.export.sample import blobs, draw
from clr_search.files.find import ImageFile, find_images
from clr_search.progress import Reporter, Silent

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "fp16", "int8"]
"""How weights are kept in the file."""

TURNS, TURN = 12, 4
"""Turns that two models take when their speed is compared, and pictures in each."""

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


def pictures_for(
    precision: Precision | None, calibrate_on: Sequence[Path], otherwise: Sequence[Path] = ()
) -> list[ImageFile]:
    """Pictures to measure reduced weights on, `otherwise` where none are given for that.

    Raises
    ------
    UsageError
        If there are no pictures, and int8 needs them; or there are some, and no weights are reduced
        (`precision` is None or "fp32").
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
    """Change an encoder that is an ONNX file already, with `golden.json` beside the new one.

    Parameters
    ----------
    source : Path
        An `encoder.onnx`; to be reduced, one with fp32 or fp16 weights.
    out : Path
        The file to write.
    precision : str, optional
        "fp16" or "int8"; that of `source` where not given.
    portable : bool
        Resize pictures by matrix products, for runtimes whose `Resize` has no antialiasing; see
        `resize`. The vectors stay the same but for rounding.
    calibrate_on : sequence of Path
        Folders of pictures without labels, to measure the reduced weights on.
    force : bool
        Overwrite `out` and the `golden.json` beside it, and accept any reduced weights.
    reporter : Reporter, optional
        Is told the progress.

    Raises
    ------
    UsageError
        If `source` is no encoder, or is already what is asked for, or an output exists, or there
        are too few pictures, or some and no weights are reduced.
    ClrSearchError
        If too few neighbours stay the same, or a portable graph gives other vectors.
    """
    refuse_outputs(out, force=force)
    reporter = reporter or Silent()
    model = read_model(source)
    wanted = _narrower(model, precision, portable=portable)
    files = pictures_for(wanted, calibrate_on)
    import onnx

    graph, card = onnx.load_model_from_string(model.data), model.card
    if wanted:
        graph = widened(graph)
    if portable and card.resize != "MatMul":
        graph, card = made_portable(graph, card, source, reporter)
    if not wanted:
        return write_encoder(out, with_card(graph, card))
    found = reduced(graph, card, wanted, files, force=force, reporter=reporter)
    return write_encoder(out, found.data, speed=found.speed)


def _narrower(model: ModelFile, precision: Precision | None, *, portable: bool) -> Precision | None:
    """The precision that weights are to be reduced to; None where they stay as they are.

    Raises
    ------
    UsageError
        If that cannot be, or nothing is to be changed at all.
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
    golden_size = golden_size_for(card.image_size)
    golden = vectors(session, golden_picture(golden_size)[None])[0]
    card = replace(
        card,
        precision=precision,
        mean_cosine=round(found.mean_cosine, 6),
        agreement=round(found.agreement, 4),
        golden_size=golden_size,
        golden=tuple(golden.tolist()),
    )
    return Reduced(with_card(smaller, card), _speed_ratio(exact, plain, compared))


def _drawings() -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return np.stack([blobs(generator, 64, 64) for _ in range(_DRAWN)])


def _speed_ratio(exact: bytes, reduced: bytes, pictures: NDArray[np.uint8]) -> float:
    """How many times as fast the second model is, here, on one core.

    Both take turns on the same pictures; the quickest turn of each counts, in processor time, so
    that other work on the machine says little.

    Parameters
    ----------
    exact, reduced : bytes
        Two models under the contract.
    pictures : uint8 array, shape (N, S, S, 3)
        The first `TURN` are used.
    """
    sessions = [open_session(exact, 1), open_session(reduced, 1)]
    quickest = [float("inf"), float("inf")]
    for _ in range(TURNS):
        for at, session in enumerate(sessions):
            began = time.process_time()
            vectors(session, pictures[:TURN])
            quickest[at] = min(quickest[at], time.process_time() - began)
    return quickest[0] / max(quickest[1], 1e-9)
