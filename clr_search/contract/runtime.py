"""ONNX Runtime over a model in memory, as `serve` opens it: for checks and for calibration."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import EMBEDDING, IMAGES

TURNS, TURN = 12, 4
"""Turns that two models take when their speed is compared, and pictures in each."""


def runtime() -> Any:
    """The module onnxruntime, kept from reporting home; see `serve.devices`."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import
    import onnxruntime

    return onnxruntime


def open_session(data: bytes, threads: int = 0) -> Any:
    """A session on the processor; 0 threads are all cores."""
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about optimisations
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def vectors(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures of one size, uint8 [N, H, W, 3] → float32 [N, D]; N ≥ 1."""
    parts = [
        session.run([EMBEDDING], {IMAGES: pictures[start : start + 32]})[0]
        for start in range(0, len(pictures), 32)
    ]
    return np.concatenate(parts)


def speed_ratio(exact: bytes, reduced: bytes, pictures: NDArray[np.uint8]) -> float:
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
