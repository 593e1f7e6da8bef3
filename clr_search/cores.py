"""The number of cores that this process may use, by its affinity and by the quota of its container.

A container that is limited to two cores of a machine of 64 (``docker run --cpus 2``, a limit of
Kubernetes, ``CPUQuota`` of systemd) still sees all 64. With a thread for each, the process uses up
its share of each tenth of a second at once, and stands still for the rest of it.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_GROUPS = Path("/proc/self/cgroup")
_MOUNTS = Path("/sys/fs/cgroup")
_PROCESSORS = Path("/proc/cpuinfo")

_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bf16",
    "amx_tile": "AMX",
    "asimddp": "dot products",
}
"""Flags of /proc/cpuinfo by which processors of one name differ, and what to call them."""


def usable_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    quota = cpu_quota()
    return _visible_cores() if quota is None else min(_visible_cores(), math.ceil(quota))


def limited_cores() -> int | None:
    """Return the number of usable cores where a quota makes it smaller than libraries see it."""
    cores = usable_cores()
    return cores if cores < _visible_cores() else None


@cache
def processor() -> str:
    """Return the name of the processor, with the instructions that decide how quick vectors are.

    Examples
    --------
    >>> processor() == processor()
    True
    """
    told = _told_of_processor()
    found = [called for flag, called in _INSTRUCTIONS.items() if flag in told.flags]
    instructions = f" ({', '.join(found)})" if found else ""
    return (told.name or platform.processor() or platform.machine()) + instructions


class _Told(NamedTuple):
    """What Linux tells of the first processor; empty where it tells nothing."""

    name: str
    vendor: str
    flags: frozenset[str]


def _told_of_processor() -> _Told:
    """Return what Linux tells of the first processor, without asking for all others."""
    fields: dict[str, str] = {}
    # Not Linux, or /proc is hidden, raises an OSError.
    with contextlib.suppress(OSError), _PROCESSORS.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if fields and not key.strip():
                break
            fields[key.strip()] = value.strip()
    flags = fields.get("flags", fields.get("Features", ""))
    name, vendor = fields.get("model name", ""), fields.get("vendor_id", "")
    return _Told(name, vendor, frozenset(flags.split()))


_AVX512 = frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})


def name_kernels() -> None:
    """Tell OpenBLAS by which instructions it may multiply, on Intel processors.

    OpenBLAS takes a processor that is newer than itself for one of 2004. That in faiss-cpu is of
    2021, and on a Xeon of 2023 k-means took nearly four times as long as it need
    (`python -m bench.kernels`). It reads the variable when it is loaded, so that this must come
    first, and after NumPy, whose own is newer. What the environment says already stays as it is.
    """
    told = _told_of_processor()
    if told.vendor != "GenuineIntel":
        return
    if told.flags >= _AVX512:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    elif told.flags >= {"avx2", "fma"}:
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which matrix products and decompositions take one thread.

    On an idle machine a second one gains little. Where others use the cores, the threads wait for
    each other at every step: the eigenvectors of 256 × 256 numbers, 20 ms by one thread, took 80
    times as long by two.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    limit: AbstractContextManager[object] = _libraries("scipy.linalg" in sys.modules).limit(
        limits=1, user_api="blas"
    )
    return limit


@cache
def _libraries(with_scipy: bool) -> ThreadpoolController:
    """Return the libraries of this process that have threads.

    To find them takes 3 ms, a fifth of a small fit, so it is done once; and again once SciPy is
    there, which brings a BLAS of its own.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def limit_libraries() -> None:
    """Keep libraries that start a thread for each core within the quota of the container.

    OpenMP (FAISS, torch) and BLAS read the environment when they are loaded, so this must come
    first. What the environment says already stays as it is.
    """
    cores = limited_cores()
    if cores is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, str(cores))


def _visible_cores() -> int:
    """Return the number of cores that the system shows to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(groups: Path = _GROUPS, mounts: Path = _MOUNTS) -> float | None:
    """Return how many cores' time the control groups of this process allow it.

    Parameters
    ----------
    groups : Path
        The file that lists the control groups of the process.
    mounts : Path
        The folder in which control groups are mounted, of version 1 or 2 or of both.

    Returns
    -------
    float or None
        The least quota of the groups and of those around them; None where there is none.
    """
    try:
        lines = groups.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # Not Linux, or /proc is hidden.
        return None
    quotas = [quota for line in lines for quota in _quotas(line, mounts)]
    return min(quotas, default=None)


def _quotas(line: str, mounts: Path) -> Iterator[float]:
    """Yield the quotas that a line ``number:controllers:path`` of the control groups leads to.

    The path is as the host sees it, and need not exist in the container; its groups are then at the
    mount itself, which is looked at always.
    """
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    group = PurePosixPath("/", path)
    around = [each.relative_to("/") for each in (group, *group.parents)]
    if not controllers:
        for each in around:
            quota, _, period = _read(mounts / each / "cpu.max").partition(" ")
            yield from _cores(quota, period)
    elif "cpu" in controllers.split(","):
        for mount in (mounts / controllers, mounts / "cpu"):
            for each in around:
                quota = _read(mount / each / "cpu.cfs_quota_us")
                yield from _cores(quota, _read(mount / each / "cpu.cfs_period_us"))


def _cores(quota: str, period: str) -> Iterator[float]:
    """Yield the ratio of two texts where both are positive numbers; ``max`` and ``-1`` are none."""
    if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    """Return the text of a small file; empty where it cannot be read."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
