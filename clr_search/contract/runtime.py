"""The one door to ONNX Runtime: how it is imported, set, and given a model.

Serving opens its sessions here, and so do export's checks, so that all of them compute alike. Which
device a session runs on is chosen in `serve.devices`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import EMBEDDING, IMAGES

CPU_PROVIDER = "CPUExecutionProvider"

_BATCH = 32
"""Pictures in one run of a check: bounds the memory of the activations."""


def runtime() -> Any:
    """The module onnxruntime, kept from reporting home."""
    # Before the import: since 1.29 its Linux builds report home unless told otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()  # where the caller had imported it already
    return onnxruntime


def quantization() -> Any:
    """The module onnxruntime.quantization, which reduces weights; it needs the package onnx."""
    runtime()
    import onnxruntime.quantization

    return onnxruntime.quantization


def open_session(
    data: bytes,
    threads: int = 0,
    providers: Sequence[str | tuple[str, dict[str, str]]] = (CPU_PROVIDER,),
    *,
    fall_back: bool = True,
) -> Any:
    """An `InferenceSession` over a model in memory.

    Parameters
    ----------
    data : bytes
        The model.
    threads : int
        Threads of one run; 0 for all physical cores.
    providers : sequence
        Execution providers of ONNX Runtime, the preferred one first.
    fall_back : bool
        Whether a session whose preferred provider fails goes on with the next one.

    Raises
    ------
    Exception
        Whatever ONNX Runtime raises if it does not accept the model; its exceptions share no base
        class.
    """
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about optimisations
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads sleep instead of spinning, for the decoders of the pipeline use the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    more = {} if fall_back else {"enable_fallback": 0}
    return onnxruntime.InferenceSession(data, options, providers=list(providers), **more)


def first_line(error: Exception) -> str:
    """What ONNX Runtime says in front of its stack, without the full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def vectors(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures of one size, uint8 [N, H, W, 3] → float32 [N, D]; N ≥ 1."""
    parts = [
        session.run([EMBEDDING], {IMAGES: pictures[start : start + _BATCH]})[0]
        for start in range(0, len(pictures), _BATCH)
    ]
    return np.concatenate(parts)
