"""On what ONNX Runtime computes: the processor, or a GPU through CUDA.

CUDA needs another build of ONNX Runtime, the package ``onnxruntime-gpu`` in place of
``onnxruntime``. It has not been run by us: no GPU has been at hand.
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
    """Check that there may be such a device.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or as ``cuda:1``.

    Returns
    -------
    int or None
        Number of the GPU to be tried; None for the processor.

    Raises
    ------
    UsageError
        If it is none of these, or CUDA, and the ONNX Runtime that is installed has none.
    """
    found = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d+)", device)
    if found is None:
        raise UsageError(f"The device is {device!r}; it must be auto, cpu, cuda, or as cuda:1.")
    if device == CPU:
        return None
    offered = runtime.runtime().get_available_providers()
    if _CUDA in offered:
        return int(found[2] or 0)
    if device == AUTO:
        return None
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in offered)
    raise UsageError(
        f"The device is {device}, but the ONNX Runtime that is installed has no CUDA ({names}).",
        "Install the one that has: pip uninstall onnxruntime, then pip install onnxruntime-gpu; or "
        "let the device be cpu.",
    )


def open_session(data: bytes, threads: int, device: str) -> tuple[Any, str]:
    """An `InferenceSession` on a device.

    Parameters
    ----------
    data : bytes
        The model.
    threads : int
        Threads of one run; 0 for all physical cores.
    device : str
        As of `require`. ``auto`` is CUDA where ONNX Runtime has it and can start it, else the
        processor; that it has it and cannot is warned of, once.

    Returns
    -------
    session : InferenceSession
    device : str
        ``cpu``, or ``cuda:N``.

    Raises
    ------
    UsageError
        If there is no such device.
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
    if problem:  # and not with the model, which the processor has accepted
        _warn_once(f"ONNX Runtime has CUDA but cannot start it, so the processor works: {problem}.")
    return session, CPU


def _on_cuda(data: bytes, threads: int, number: int) -> tuple[Any, str]:
    """A session on a GPU, or None and why there is none."""
    # Unless told otherwise it computes in TF32, which rounds what is multiplied to 10 bits.
    provider = (_CUDA, {"device_id": str(number), "use_tf32": "0"})
    try:
        # Without `enable_fallback` it would go on on the processor, and say so on stdout only.
        session = runtime.open_session(
            data, threads, [provider, runtime.CPU_PROVIDER], fall_back=False
        )
    except Exception as error:  # noqa: BLE001  # its exceptions share no base class
        return None, runtime.first_line(error)
    if _CUDA not in session.get_providers():
        return None, "libraries of CUDA or cuDNN are missing, or of another version"
    return session, ""


@cache
def _warn_once(text: str) -> None:
    logging.getLogger(__name__).warning("%s", text)
