"""Devices that ONNX Runtime computes on: the processor, or a GPU through CUDA.

CUDA needs another build of ONNX Runtime: the package ``onnxruntime-gpu`` in place of
``onnxruntime``. The code for CUDA has not been run on a real GPU, because none was available.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any

from clr_search.contract import runtime
from clr_search.errors import UsageError

AUTO, CPU = "auto", "cpu"

_CUDA = "CUDAExecutionProvider"


def require(device: str) -> int | None:
    """Check the name of a device, and that the installed ONNX Runtime supports it.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, or ``cuda:N`` with the number of a GPU, such as ``cuda:1``.

    Returns
    -------
    int or None
        Number of the GPU to try; None for the processor.

    Raises
    ------
    UsageError
        If the name is none of these, or names CUDA while the installed ONNX Runtime has no CUDA.

    Examples
    --------
    >>> require("cpu") is None
    True
    """
    match = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d+)", device)
    if match is None:
        raise UsageError(f"The device is {device!r}; it must be auto, cpu, cuda, or as cuda:1.")
    if device == CPU:
        return None
    offered = runtime.runtime().get_available_providers()
    if _CUDA in offered:
        return int(match[2] or 0)
    if device == AUTO:
        return None
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in offered)
    raise UsageError(
        f"The device is {device}, but the ONNX Runtime that is installed has no CUDA ({names}).",
        "Install the one that has: pip uninstall onnxruntime, then pip install onnxruntime-gpu; or "
        "let the device be cpu.",
    )


def open_session(data: bytes, threads: int, device: str) -> tuple[Any, str]:
    """Open an ONNX Runtime session for a model on a device.

    Parameters
    ----------
    data : bytes
        The serialised ONNX model.
    threads : int
        Number of threads that one run uses; 0 for all physical cores.
    device : str
        A name that `require` accepts. ``auto`` chooses CUDA where ONNX Runtime has it and can start
        it, else the processor; if CUDA is there but cannot start, one warning is logged.

    Returns
    -------
    session : InferenceSession
        The open session.
    device : str
        The device in use: ``cpu`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If the device does not exist or cannot be started.
    Exception
        Whatever ONNX Runtime raises if it does not accept the model.
    """
    number, problem = require(device), ""
    if number is not None:
        session, problem = _on_cuda(data, threads, number)
        if session is not None:
            return session, f"cuda:{number}"
        if device != AUTO:
            raise UsageError(
                f"The device is {device}, but ONNX Runtime cannot start it: {problem}.",
                "It needs the CUDA and cuDNN that its release was built for; or let the device be "
                "cpu.",
            )
    session = runtime.open_session(data, threads)
    if problem:  # The processor has accepted the model, so CUDA itself is the problem.
        _warn_once(f"ONNX Runtime has CUDA but cannot start it, so the processor works: {problem}.")
    return session, CPU


def _on_cuda(data: bytes, threads: int, number: int) -> tuple[Any, str]:
    """Return a session on a GPU and an empty string, or None and the reason for the failure."""
    # By default CUDA multiplies in TF32, which rounds factors to 10 bits, so it is switched off.
    provider = (_CUDA, {"device_id": str(number), "use_tf32": "0"})
    try:
        # With its own fallback, ONNX Runtime would continue on the processor and only print it.
        session = runtime.open_session(
            data, threads, [provider, runtime.CPU_PROVIDER], fall_back=False
        )
    except Exception as error:  # noqa: BLE001  # ONNX Runtime's exceptions share no base class.
        return None, runtime.first_line(error)
    if _CUDA not in session.get_providers():
        return None, "libraries of CUDA or cuDNN are missing, or of another version"
    return session, ""


@cache
def _warn_once(text: str) -> None:
    """Log a warning; the cache drops every later call with the same text."""
    logging.getLogger(__name__).warning("%s", text)
