"""The quota of a container is found, whichever version of control groups holds it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from clr_search import cores
from clr_search.contract import runtime


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model name\t: A (R) 9\nflags\t\t: fpu avx2 avx512f\n", "A (R) 9 (AVX2, AVX-512)"),
        ("model name : B\n", "B"),
        ("model name : C\nflags : avx2\n\nmodel name : D\nflags : avx512f\n", "C (AVX2)"),
        ("Features : fp asimddp\n", f"{platform.processor() or platform.machine()} (dot products)"),
        (None, platform.processor() or platform.machine()),
    ],
    ids=["intel", "bare", "two kinds", "arm", "hidden"],
)
def test_a_processor_is_named_with_what_makes_it_quick(
    text: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(cores, "_PROCESSORS", tmp_path / "cpuinfo")
    assert cores.processor.__wrapped__() == name


AVX512 = "avx2 fma avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        (f"vendor_id : GenuineIntel\nflags : {AVX512}\n", "SkylakeX"),
        ("vendor_id : GenuineIntel\nflags : avx2 fma avx512f\n", "Haswell"),
        ("vendor_id : GenuineIntel\nflags : avx\n", None),
        (f"vendor_id : AuthenticAMD\nflags : {AVX512}\n", None),
        ("Features : asimddp\n", None),
        (None, None),
    ],
    ids=["avx512", "avx2", "avx", "amd", "arm", "hidden"],
)
def test_openblas_is_told_the_kernels_of_intel_processors(
    text: str | None, kernels: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(cores, "_PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "")  # so that it is as it was after this test
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    cores.name_kernels()
    assert os.environ.get("OPENBLAS_CORETYPE") == kernels
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    cores.name_kernels()
    assert os.environ["OPENBLAS_CORETYPE"] == "Zen"


def test_faiss_multiplies_by_the_instructions_that_there_are() -> None:
    """Its OpenBLAS would take an Intel processor that it does not know for one of 2004."""
    program = (
        "from clr_search.index.ann import structures; import faiss, threadpoolctl; "
        "print(*(one.get('architecture') for one in threadpoolctl.threadpool_info()))"
    )
    found = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    told = subprocess.run(
        [sys.executable, "-c", program], env=found, capture_output=True, text=True, check=True
    )
    if cores._told_of_processor().vendor == "GenuineIntel" and "AVX2" in cores.processor():
        assert "Prescott" not in told.stdout.split()


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


V1 = "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/a/b\n", {"a/cpu.max": "90000 10000", "a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/../../host\n", {"cpu.max": "300000 100000"}, 3.0),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
         1.5),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "400000",
              "cpu/docker/abc/cpu.cfs_period_us": "100000"}, 4.0),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (V1, {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "0"}, None),
        ("no such line\n\n7:cpu\n", {"cpu.max": "nonsense"}, None),
    ],
)  # fmt: skip
def test_the_quota_of_control_groups(
    tmp_path: Path, groups: str, files: dict[str, str], expected: float | None
) -> None:
    mounts = written(tmp_path / "mounts", files)
    listed = written(tmp_path, {"cgroup": groups}) / "cgroup"
    assert cores.cpu_quota(listed, mounts) == expected


def test_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert cores.cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "expected", "limit"),
    [(None, 8, None), (0.2, 1, 1), (1.5, 2, 2), (4.0, 4, 4), (8.0, 8, None), (64.0, 8, None)],
)
def test_a_quota_lowers_the_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int, limit: int | None
) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    monkeypatch.setattr(cores, "_visible_cores", lambda: 8)
    assert cores.usable_cores() == expected
    assert cores.limited_cores() == limit


def test_libraries_are_told_before_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: 2.0)
    monkeypatch.setattr(cores, "_visible_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "")
    cores.limit_libraries()
    assert os.environ["OMP_NUM_THREADS"] == "5"  # chosen by a person
    assert os.environ.pop("OPENBLAS_NUM_THREADS") == "2"


def test_a_session_of_onnxruntime_keeps_to_the_quota(
    monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path
) -> None:
    monkeypatch.setattr(runtime, "limited_cores", lambda: 3)
    data = tiny_encoder.read_bytes()
    assert runtime.open_session(data).get_session_options().intra_op_num_threads == 3
    assert runtime.open_session(data, 1).get_session_options().intra_op_num_threads == 1


QUOTA = """
import sys
from clr_search import cores
cores.cpu_quota = lambda: 1.0
cores._visible_cores = lambda: 2
from clr_search.cli.main import main
main(["doctor", "--json"], standalone_mode=False)
"""


def test_every_command_keeps_to_the_quota() -> None:
    clean = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    told = subprocess.run([sys.executable, "-c", QUOTA], capture_output=True, text=True, env=clean)
    assert '"1"' in told.stdout, told
    assert "1 threads" in told.stdout
    assert "2 threads" not in told.stdout


def test_training_keeps_to_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from clr_search.train import loop

    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(loop, "limited_cores", lambda: 3)
    assert loop._within_quota() == 3
    monkeypatch.setattr(loop, "limited_cores", lambda: None)
    assert loop._within_quota() is None
