"""Import one package in a process of its own: ``python -m clr_search.cli.examine torch``.

A broken native library can crash the process that imports it, and separate processes import heavy
packages in parallel. The module prints the abilities that depend on the machine, such as GPUs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable


def providers() -> str:
    """Return the execution providers of ONNX Runtime, as text."""
    from clr_search.contract.runtime import runtime

    names = runtime().get_available_providers()
    return ", ".join(name.removesuffix("ExecutionProvider") for name in names)


def instructions() -> str:
    """Return the instruction set and the number of threads of FAISS, as text."""
    import faiss

    if hasattr(faiss, "SIMDConfig"):  # Since 1.14, one library holds all sets.
        used = faiss.SIMDConfig.get_level_name()
    else:
        used = faiss.get_compile_options().replace("OPTIMIZE", "").strip()
    return f"{used}; {faiss.omp_get_max_threads()} threads"


def formats() -> str:
    """Return which optional formats and libraries this build of Pillow has, as text."""
    from PIL import features

    available = {name: features.check(name.lower()) for name in ("AVIF", "WebP")}
    available["libjpeg-turbo"] = features.check_feature("libjpeg_turbo")
    return ", ".join(f"{name} {'yes' if usable else 'no'}" for name, usable in available.items())


def devices() -> str:
    """Return the number of threads and the GPUs of PyTorch, as text."""
    import torch

    threads = f"{torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return f"{threads}; no CUDA"
    names = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    return f"{threads}; CUDA {torch.version.cuda}: {', '.join(names)}"


ABILITIES: dict[str, Callable[[], str]] = {
    "onnxruntime": providers,
    "faiss": instructions,
    "PIL": formats,
    "torch": devices,
}
"""Functions that describe the abilities of a package, by the name of its module; they import it."""

if __name__ == "__main__":
    if sys.argv[1] in ABILITIES:
        print(ABILITIES[sys.argv[1]]())
    else:
        importlib.import_module(sys.argv[1])
