"""The machine, in one line, for beside every figure."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from clr_search.cores import processor, usable_cores

PACKAGES = ("torch", "onnxruntime", "faiss-cpu", "numpy", "pillow")


def machine() -> str:
    """Processor, instructions, cores, memory, Python, and the versions that matter for speed."""
    cores = usable_cores()
    memory = ""
    if hasattr(os, "sysconf"):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = f", {size / 2**30:.0f} GiB"
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{processor()}, {cores} cores{memory}{_graphics()}, {platform.system()}, "
        f"Python {platform.python_version()}; {versions}"
    )


def resident(process: int | str = "self") -> float:
    """Memory of a process now, in MB; 0 when it has ended."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def reset_peak() -> None:
    """Let `peak` begin anew; of this process, on Linux, and nothing elsewhere."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The most memory of this process since `reset_peak`, in MB; 0 where that is not told."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _graphics() -> str:
    """The GPU, where torch is in use and has one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return f", {torch.cuda.get_device_name()}"
