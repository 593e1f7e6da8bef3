"""The one place where ONNX Runtime is imported, configured and given a model.

Serving opens its sessions here, and so do the checks of export, so that all of them compute
alike. The module `serve.devices` chooses the device that a session runs on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import EMBEDDING, IMAGES

CPU_PROVIDER = "CPUExecutionProvider"

MOST_MEMORY = 8 * 2**30
"""Most bytes that all sessions of a process take together on the processor, weights included; half
of the memory of the machine where that is less. A graph can ask for more only as it runs."""

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


_limited: list[int] = []
_limiting = threading.Lock()


def _limit_memory(onnxruntime: Any) -> None:
    """Makes the allocator that all sessions of this process share, which refuses to exceed a limit.

    ONNX Runtime knows one such allocator a process, so this is the one thing kept beyond a call.
    """
    with _limiting:
        if _limited:
            return
        most = MOST_MEMORY
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            most = min(most, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
        place = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0,
            onnxruntime.OrtMemType.DEFAULT,
        )  # fmt: skip
        usual = -1  # of the arena: how it grows, its first chunk, and what it leaves unused in one
        arena = onnxruntime.OrtArenaCfg(most, usual, usual, usual)
        onnxruntime.create_and_register_allocator(place, arena)
        _limited.append(most)


def out_of_memory(error: Exception) -> bool:
    """Return whether an error of ONNX Runtime says that a run would exceed `MOST_MEMORY`.

    Examples
    --------
    >>> out_of_memory(ValueError("Available memory of 7 is smaller than requested bytes of 9"))
    True
    """
    return "smaller than requested bytes" in str(error)


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
    _limit_memory(onnxruntime)
    options.add_session_config_entry("session.use_env_allocators", "1")
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
