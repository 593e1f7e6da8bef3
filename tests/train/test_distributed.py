"""Several processes, started by torchrun, compute what one computes alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clr_search.errors import UsageError
from clr_search.train import TrainConfig, distributed, load_run, train
from clr_search.train.distributed import World, gather, share_of, sum_gradients, total

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from clr_search.errors import UsageError
from clr_search.train import TrainConfig, train
torch.set_num_threads(1)
images, out, settings, resume = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "resume"
try:
    result = train([images], out, TrainConfig.from_json(settings), resume=resume)
except UsageError as error:
    print(f"refused: {error.what}", flush=True)
    sys.exit(2)
"""


def torchrun(
    processes: int, pictures: Path, out: Path, config: TrainConfig, *, resume: bool = False
) -> subprocess.CompletedProcess[str]:
    """Train in so many processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), "--no-python", sys.executable, "-c", PROGRAM]
    command += [str(pictures), str(out), config.to_json(), "resume" if resume else "anew"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False
    )


@pytest.fixture
def config(tiny: TrainConfig) -> TrainConfig:
    """Normalised by group, so that no picture depends on those it shares a process with."""
    return replace(tiny, norm="group", optimizer="sgd", learning_rate=0.05, head_dim=8)


def assert_same_training(one: Path, other: Path) -> None:
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    for ours, theirs in zip(load_run(one).metrics, load_run(other).metrics, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["contrastive_accuracy"] == pytest.approx(theirs["contrastive_accuracy"])


@pytest.mark.parametrize(
    ("processes", "further"),
    [
        (2, {}),
        (4, {}),
        (2, {"micro_batch": 2, "loss": "dcl"}),
        (2, {"method": "instdisc", "negatives": 12}),
        (2, {"method": "supervised"}),
    ],
)
def test_equals_one_process_with_the_whole_batch(
    processes: int,
    further: dict[str, object],
    pictures: Path,
    config: TrainConfig,
    tmp_path: Path,
) -> None:
    config = replace(config, **further)
    train([pictures], tmp_path / "one", config)
    done = torchrun(processes, pictures, tmp_path / "many", config)
    assert done.returncode == 0, done.stderr
    assert_same_training(tmp_path / "one", tmp_path / "many")
    assert not (tmp_path / "many" / "cache").exists()


def test_a_run_goes_on_in_another_number_of_processes(
    pictures: Path, config: TrainConfig, tmp_path: Path
) -> None:
    from tests.train.test_loop import Interrupting

    train([pictures], tmp_path / "one", config)
    out = tmp_path / "many"
    assert train([pictures], out, config, reporter=Interrupting(6)).interrupted
    done = torchrun(2, pictures, out, config, resume=True)
    assert done.returncode == 0, done.stderr
    assert_same_training(tmp_path / "one", out)


def test_what_processes_cannot_do_together_is_refused(
    pictures: Path, config: TrainConfig, tmp_path: Path
) -> None:
    timed = torchrun(2, pictures, tmp_path / "a", replace(config, epochs=None, seconds=2.0))
    assert "cannot agree on how many epochs" in timed.stdout
    odd = torchrun(2, pictures, tmp_path / "b", replace(config, batch_size=7))
    assert "A batch of 7 cannot be shared equally by 2 processes" in odd.stdout


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


def test_the_result_is_json_of_one_process_only(pictures: Path, tmp_path: Path) -> None:
    """``torchrun -m clr_search train --json`` prints one line, not one a process."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "clr_search", "train", str(pictures)]
    command += ["--out", str(tmp_path / "run"), "--epochs", "1", "--image-size", "16"]
    command += ["--width", "0.25", "--batch-size", "8", "--device", "cpu", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["epochs"] == 1
