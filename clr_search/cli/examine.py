"""One package, imported in a process of its own: ``python -m clr_search.cli.examine torch``.

A broken native library can take the process down with it, and heavy packages import side by side.
Prints what the package can do here, if that is worth a line.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable


def providers() -> str:
    """Execution providers of ONNX Runtime."""
    from clr_search.contract.runtime import runtime

    names = runtime().get_available_providers()
    return ", ".join(name.removesuffix("ExecutionProvider") for name in names)


def instructions() -> str:
    """Instruction set and threads of FAISS."""
    import faiss

    if hasattr(faiss, "SIMDConfig"):  # since 1.14 one library holds all sets, and chooses
        used = faiss.SIMDConfig.get_level_name()
    else:
        used = faiss.get_compile_options().replace("OPTIMIZE", "").strip()
    return f"{used}; {faiss.omp_get_max_threads()} threads"


def formats() -> str:
    """What Pillow decodes that not every build of it does."""
    from PIL import features

    has = {name: features.check(name.lower()) for name in ("AVIF", "WebP")}
    has["libjpeg-turbo"] = features.check_feature("libjpeg_turbo")
    return ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in has.items())


def devices() -> str:
    """Threads and GPUs of PyTorch."""
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
"""What to ask, by module; asking imports it."""

if __name__ == "__main__":
    if sys.argv[1] in ABILITIES:
        print(ABILITIES[sys.argv[1]]())
    else:
        importlib.import_module(sys.argv[1])
