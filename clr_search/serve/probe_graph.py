"""The graph of `probe.onnx`: an encoder with a linear classifier behind its embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from clr_search.contract import EMBEDDING, PROBABILITIES, ModelFile


def classifier_nodes() -> list[onnx.NodeProto]:
    """`embedding` [N, D] → Gemm → Softmax → `probabilities` [N, C]."""
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


def with_classifier(
    encoder: ModelFile,
    classes: Sequence[str],
    coefficients: NDArray[np.float32],
    intercept: NDArray[np.float32],
    accuracy: float,
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
    accuracy : float
        Held-out accuracy in [0, 1], for the card.
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
    onnx.checker.check_model(model, full_check=True)
    card = replace(encoder.card, classes=tuple(classes), probe_accuracy=accuracy)
    helper.set_model_props(model, card.to_metadata())
    return bytes(model.SerializeToString(deterministic=True))
