"""The graph of `probe.onnx`: an encoder, and behind it a classifier and a measure of novelty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import (
    EMBEDDING,
    NOVELTY,
    PROBABILITIES,
    TOLERANCE,
    ModelFile,
    model_of,
)
from clr_search.errors import ClrSearchError, UsageError
from clr_search.serve.devices import CPU
from clr_search.serve.probe.fitted import FittedProbe
from clr_search.serve.probe.novelty import REFUSED, Novelty
from clr_search.serve.sessions import Session

_OTHER_VERSION = "Try another version of onnxruntime; see constraints.txt for a tested one."
# Relative: single precision loses digits in the difference of two squares.
_NOVELTY_TOLERANCE = 1e-3


def classifier_nodes() -> list[onnx.NodeProto]:
    """Return the nodes `embedding` [N, D] → Gemm → Softmax → `probabilities` [N, C].

    Examples
    --------
    >>> [node.op_type for node in classifier_nodes()]
    ['Gemm', 'Softmax']
    """
    return [
        helper.make_node(
            "Gemm",
            [EMBEDDING, "probe/coefficients", "probe/intercept"],
            ["probe/logits"],
            name="probe/gemm",
            transB=1,
        ),
        helper.make_node(
            "Softmax", ["probe/logits"], [PROBABILITIES], name="probe/softmax", axis=1
        ),
    ]


def novelty_nodes() -> list[onnx.NodeProto]:
    """Return the nodes `embedding` [N, D] → distance to the nearest centre → `novelty` [N].

    The distance is computed as |z − m|² = |z|² + (|m|² − 2·z·m), which needs memory for N·C numbers
    instead of N·C·D. The constants are divided by the threshold already.

    Examples
    --------
    >>> novelty_nodes()[-1].op_type
    'Sqrt'
    """
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Gemm", [EMBEDDING, "whitening", "offset"], "z", {}),
        ("ReduceSumSquare", ["z", "axis"], "length", {"keepdims": 0}),
        ("Gemm", ["z", "centres", "lengths"], "crossed", {}),
        ("ReduceMin", ["crossed", "axis"], "nearest", {"keepdims": 0}),
        ("Add", ["length", "nearest"], "square", {}),
        ("Relu", ["square"], "positive", {}),  # Rounding may make the square negative.
        ("Sqrt", ["positive"], NOVELTY, {}),
    ]

    def name(part: str) -> str:
        return part if part in (EMBEDDING, NOVELTY) else f"novelty/{part}"

    return [
        helper.make_node(kind, list(map(name, given)), [name(made)], name=f"novelty/{n}", **options)
        for n, (kind, given, made, options) in enumerate(steps)
    ]


def _novelty_constants(novelty: Novelty) -> dict[str, NDArray[Any]]:
    """Return the tensors that `novelty_nodes` read, by name."""
    whitening = novelty.distance.whitening / novelty.threshold
    centres = novelty.distance.centres / novelty.threshold
    floats = {
        "whitening": whitening,
        "offset": -novelty.distance.shift @ whitening,
        "centres": -2 * centres.T,
        "lengths": (centres**2).sum(axis=1),
    }
    constants: dict[str, NDArray[Any]] = {
        f"novelty/{name}": np.ascontiguousarray(value, np.float32) for name, value in floats.items()
    }
    return constants | {"novelty/axis": np.array([1], np.int64)}


def with_classifier(
    encoder: ModelFile,
    classes: Sequence[str],
    coefficients: NDArray[np.float32],
    intercept: NDArray[np.float32],
    accuracy: float | None,
    novelty: Novelty | None = None,
    caught: float | None = None,
) -> bytes:
    """Serialise the encoder with the classifier behind it.

    Parameters
    ----------
    encoder : ModelFile
        The encoder; its golden vector stays valid, as `embedding` stays an output.
    classes : sequence of str
        C names, in the order of `probabilities`.
    coefficients : float32 array, shape (C, D)
    intercept : float32 array, shape (C,)
        Probabilities are softmax(coefficients · h + intercept).
    accuracy : float or None
        Accuracy in [0, 1] on pictures not fitted on, for the card.
    novelty : Novelty, optional
        Measure of pictures of none of the classes; without it, the graph has no such output.
    caught : float, optional
        Share in [0, 1] of pictures of other classes that it catches, by an estimate.

    Returns
    -------
    bytes
        The serialised ONNX model, with its card.
    """
    model = onnx.load_model_from_string(encoder.data)
    graph = model.graph
    graph.name = "clr_search_probe"
    graph.node.extend(classifier_nodes())
    graph.initializer.append(numpy_helper.from_array(coefficients, "probe/coefficients"))
    graph.initializer.append(numpy_helper.from_array(intercept, "probe/intercept"))
    graph.output.append(
        helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", len(classes)])
    )
    card = replace(encoder.card, classes=tuple(classes), probe_accuracy=accuracy)
    if novelty is not None:
        graph.node.extend(novelty_nodes())
        for name, value in _novelty_constants(novelty).items():
            graph.initializer.append(numpy_helper.from_array(value, name))
        graph.output.append(helper.make_tensor_value_info(NOVELTY, TensorProto.FLOAT, ["N"]))
        card = replace(
            card,
            novelty_refused=REFUSED,
            novelty_pictures=novelty.pictures,
            novelty_method=novelty.method,
            novelty_caught=caught,
        )
    onnx.checker.check_model(model, full_check=True)
    helper.set_model_props(model, card.to_metadata())
    return bytes(model.SerializeToString(deterministic=True))


def probe_model(fitted: FittedProbe, encoder: ModelFile, path: Path) -> ModelFile:
    """Make the model file of a probe, and check it.

    Parameters
    ----------
    fitted : FittedProbe
        A probe fitted on embeddings of this encoder.
    encoder : ModelFile
        The encoder.
    path : Path
        Where the file will be, for messages.

    Raises
    ------
    UsageError
        If the encoder is not one that `fitted` belongs to.
    ClrSearchError
        If ONNX Runtime does not give scikit-learn's probabilities to `contract.TOLERANCE`.
    """
    dimension = fitted.coefficients.shape[1]
    if encoder.card.classes:
        raise UsageError(f"{encoder.path} is a probe itself.", "Give the encoder it was made from.")
    if encoder.card.embedding_dim != dimension:
        raise UsageError(
            f"{encoder.path} gives vectors of length {encoder.card.embedding_dim}, but the probe "
            f"was fitted on vectors of length {dimension}.",
            "Give the encoder that made these vectors.",
        )
    data = with_classifier(
        encoder,
        fitted.classes,
        fitted.coefficients,
        fitted.intercept,
        fitted.accuracy,
        fitted.novelty,
        fitted.strangers.caught if fitted.strangers else None,
    )
    model = model_of(data, path)
    _check(model, fitted)
    return model


def _check(model: ModelFile, fitted: FittedProbe) -> None:
    """Check that a probe keeps its golden vector, and gives scikit-learn's numbers."""
    session = Session(model, device=CPU)  # This checks the file, not a device.
    picture = golden_picture(model.card.golden_size)
    check_golden(model, session.run(EMBEDDING, picture[None])[0])
    noise = np.random.default_rng(0).integers(0, 256, (16, 40, 56, 3), np.uint8)
    noise[:8] = noise[:8, :1, :1]  # Half of the pictures are plain colours.
    embedding = session.run(EMBEDDING, noise).astype(np.float64)
    expected = fitted.estimator.probabilities(embedding)
    difference = float(np.abs(session.run(PROBABILITIES, noise) - expected).max())
    if not difference <= TOLERANCE:
        raise ClrSearchError(
            f"ONNX Runtime gives probabilities that differ from scikit-learn's by {difference:.1e} "
            f"(allowed {TOLERANCE:.0e}), so there is no probe of it.",
            _OTHER_VERSION,
        )
    if fitted.novelty is None:
        return
    novelty = fitted.novelty.of(embedding)
    errors = np.abs(session.run(NOVELTY, noise) - novelty) / np.maximum(novelty, 1)
    difference = float(errors.max())
    if not difference <= _NOVELTY_TOLERANCE:
        raise ClrSearchError(
            f"ONNX Runtime gives distances to the classes that differ from numpy's by "
            f"{difference:.1e} (allowed {_NOVELTY_TOLERANCE:.0e}), so there is no probe of it.",
            _OTHER_VERSION,
        )
