"""The one place where ONNX Runtime is imported, configured and given a model.

Serving opens its sessions here, and so do the checks of export, so that all of them compute
alike. The module `serve.devices` chooses the device that a session runs on.
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
"""Number of pictures in one run of a check; it bounds the memory of the activations."""


def runtime() -> Any:
    """Import the module onnxruntime with its telemetry switched off, and return it."""
    # Set before the import: since 1.29 the Linux builds send telemetry unless told otherwise.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        # The variable above comes too late where the caller has imported onnxruntime already.
        onnxruntime.disable_telemetry_events()
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
    """Open an ONNX Runtime session for a model in memory.

    Parameters
    ----------
    data : bytes
        The serialised ONNX model.
    threads : int
        Number of threads that one run uses; 0 for all physical cores.
    providers : sequence
        Execution providers of ONNX Runtime, the preferred one first.
    fall_back : bool
        Whether a session whose preferred provider fails continues with the next one.

    Returns
    -------
    InferenceSession
        The open session.

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
    # Idle threads sleep instead of spinning, because the decoders of the pipeline need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    more = {} if fall_back else {"enable_fallback": 0}
    return onnxruntime.InferenceSession(data, options, providers=list(providers), **more)


def first_line(error: Exception) -> str:
    r"""Return the first line of an ONNX Runtime error, before its stack, without the full stop.

    Examples
    --------
    >>> first_line(ValueError("No such operator.\nat frame 1"))
    'No such operator'
    """
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def vectors(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures of one size, `_BATCH` at a time.

    Parameters
    ----------
    session : InferenceSession
        A session of `open_session`.
    pictures : uint8 array, shape (N, H, W, 3)
        RGB; N ≥ 1.

    Returns
    -------
    float32 array, shape (N, D)
        Rows of unit L2 norm.
    """
    batches = [
        session.run([EMBEDDING], {IMAGES: pictures[start : start + _BATCH]})[0]
        for start in range(0, len(pictures), _BATCH)
    ]
    return np.concatenate(batches)
