"""Several processes, started by torchrun, compute what one computes alone."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clr_search.errors import UsageError
from clr_search.train import TrainConfig, distributed, load_run, loop, train
from clr_search.train.distributed import (
    World,
    gather,
    joined,
    share_of,
    sum_gradients,
    total,
)
from clr_search.train.hardware import numbered
from tests.forked import Forked
from tests.train.conftest import TINY
from tests.train.test_loop import Interrupting

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from clr_search.errors import UsageError
from clr_search.train import TrainConfig, train
from clr_search.train.distributed import joined, wait_for_all
torch.set_num_threads(1)
images, folder, jobs = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
with joined("cpu") as world:
    for name, settings, resume in jobs:
        try:
            train([images], folder / name, TrainConfig.from_json(settings), resume=resume)
        except UsageError as error:
            print(f"{name} refused: {error.what}", flush=True)
"""

TORCHRUN = """
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

def work():
    exec({program!r}, {{"__name__": "__main__"}})

elastic_launch(
    LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node={processes},
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
    ),
    work,
)()
"""
"""What torchrun does, whose processes begin here with PyTorch already imported."""

VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "parts": {"micro_batch": 2, "loss": "dcl"},
    "local": {"micro_batch": 2, "local_views": 3, "local_size": 8},
    "nce": {"method": "instdisc", "negatives": 12},
    "supervised": {"method": "supervised"},
}

CONFIG = replace(TINY, norm="group", optimizer="sgd", learning_rate=0.05, head_dim=8)
"""Normalised by group, so that no picture depends on those it shares a process with."""


Job = tuple[str, TrainConfig, bool]
"""Folder of the run, its settings, and whether it is to go on."""


def torchrun(processes: int, pictures: Path, folder: Path, jobs: list[Job]) -> str:
    """Do trainings in so many processes, one after the other; what they printed."""
    listed = json.dumps([(name, config.to_json(), resume) for name, config, resume in jobs])
    code = TORCHRUN.format(program=PROGRAM, processes=processes)
    done = Forked(
        code,
        pictures,
        folder,
        listed,
        output=folder / "told",
        environment={"OMP_NUM_THREADS": "1"},
    )
    assert done.wait(240) == 0, done.errors()
    return done.output.read_text()


def forked(processes: int, folder: Path, code: str, *arguments: object) -> list[str]:
    """Run a program in so many processes, as far as they see it as `torchrun` does it.

    Returns what each has printed. All of them share the import of PyTorch, which takes longer than
    the trainings.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    started = [
        Forked(
            code,
            *arguments,
            output=folder / f"told-{rank}",
            environment={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(processes)
    ]
    statuses = [one.wait() for one in started]
    assert statuses == [0] * processes, [one.errors() for one in started]
    return [one.output.read_text() for one in started]


@pytest.fixture(scope="module")
def alone(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of each variant."""
    folder = tmp_path_factory.mktemp("alone")
    torch.set_num_threads(1)
    for name, further in VARIANTS.items():
        train([pictures], folder / name, replace(CONFIG, **further))
    return folder


def assert_same_training(one: Path, other: Path) -> None:
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    for ours, theirs in zip(load_run(one).metrics, load_run(other).metrics, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        # Of 64 views an epoch, those whose two nearest are all but equally near may go either way:
        # three do on a processor without AVX-512, where sums are rounded otherwise.
        accuracies = ours["contrastive_accuracy"], theirs["contrastive_accuracy"]
        assert accuracies[0] == pytest.approx(accuracies[1], abs=5 / 64)


def test_two_processes_equal_one_with_the_whole_batch(
    pictures: Path, alone: Path, tmp_path: Path
) -> None:
    """In one start, which takes longer than the trainings; one goes on with a run of one."""
    assert train([pictures], tmp_path / "resumed", CONFIG, reporter=Interrupting(6)).interrupted
    jobs: list[Job] = [(n, replace(CONFIG, **further), False) for n, further in VARIANTS.items()]
    jobs.append(("resumed", CONFIG, True))
    jobs.append(("odd", replace(CONFIG, batch_size=7), False))
    told = torchrun(2, pictures, tmp_path, jobs)
    for name in VARIANTS:
        assert_same_training(alone / name, tmp_path / name)
        assert not (tmp_path / name / "cache").exists()
    assert_same_training(alone / "plain", tmp_path / "resumed")
    assert "odd refused: A batch of 7 cannot be shared equally by 2 processes." in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_four_processes_equal_one(pictures: Path, alone: Path, tmp_path: Path) -> None:
    jobs = json.dumps([("plain", CONFIG.to_json(), False)])
    forked(4, tmp_path, PROGRAM, pictures, tmp_path, jobs)
    assert_same_training(alone / "plain", tmp_path / "plain")


def test_a_time_is_refused_before_anything_is_decoded(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "world", lambda: World(0, 2))
    with pytest.raises(UsageError, match="cannot agree on how many epochs"):
        train([pictures], tmp_path / "run", replace(CONFIG, epochs=None, seconds=2.0))


class Gpus:
    """As many GPUs as are said to be here, and which one this thread works on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, processes: int) -> None:
        self.current = 0
        self.group: dict[str, Any] = {}
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(
            torch.cuda, "set_device", lambda number: vars(self).update(current=number)
        )
        monkeypatch.setattr(torch.cuda, "current_device", lambda: self.current)
        monkeypatch.setattr(
            distributed.distributed,
            "init_process_group",
            lambda backend, **more: self.group.update(backend=backend, **more),
        )
        monkeypatch.setattr(distributed.distributed, "destroy_process_group", lambda: None)
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            monkeypatch.setenv(name, str(processes))


def test_each_process_works_on_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus(monkeypatch, count=4, processes=4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    with joined("cuda"):
        assert gpus.group["backend"] == "nccl"
        assert numbered("cuda") == "cuda:3"
    assert (numbered("cuda:1"), numbered("cpu")) == ("cuda:1", "cpu")


def test_decoding_a_large_collection_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process decodes while the others are in a barrier: torch's 10 or 30 minutes end."""
    gpus = Gpus(monkeypatch, count=2, processes=2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    for device in ("cuda", "cpu"):
        with joined(device):
            assert gpus.group["timeout"] >= timedelta(days=1)


@pytest.mark.parametrize("rank", ["0", "3"])  # all of them say so, and none waits for another
def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch, rank: str) -> None:
    Gpus(monkeypatch, count=2, processes=4)
    monkeypatch.setenv("LOCAL_RANK", rank)
    with (
        pytest.raises(UsageError, match="4 processes need 4 GPUs, and there are 2") as caught,
        joined("cuda"),
    ):
        pass
    assert "--nproc-per-node 2" in caught.value.remedy


def test_one_gpu_for_all_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpus(monkeypatch, count=4, processes=4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UsageError, match="4 processes cannot share cuda:1"), joined("cuda:1"):
        pass


def test_alone_nothing_is_shared() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert distributed.world() == World(0, 1)
    assert gather(x) is x
    assert total(x) is x
    assert share_of(12) == slice(0, 12)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    sum_gradients([weight])
    assert weight.grad.tolist() == [3, 3]


def test_shares_are_disjoint_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    for rank in range(4):
        monkeypatch.setattr(distributed, "world", lambda rank=rank: World(rank, 4))
        taken += range(12)[share_of(12)]
    assert taken == list(range(12))
    with pytest.raises(UsageError, match="multiple of 4"):
        share_of(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_the_result_is_json_of_one_process_only(pictures: Path, tmp_path: Path) -> None:
    """``torchrun -m clr_search train --json`` prints one line, not one a process."""
    code = "import runpy; runpy.run_module('clr_search', run_name='__main__', alter_sys=True)"
    words = ["train", pictures, "--out", tmp_path / "run", "--epochs", "1", "--image-size", "16"]
    words += ["--width", "0.25", "--batch-size", "8", "--device", "cpu", "--json"]
    told = forked(2, tmp_path, code, *words)
    lines = "".join(told).splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["epochs"] == 1
