"""Checkpoints and metrics on disk."""

from __future__ import annotations

import copy
import errno
import json
import os
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from bench.fuzz.tensors import checkpoints
from clr_search.errors import UsageError
from clr_search.files.disk import DiskError
from clr_search.files.own import OwnFolder
from clr_search.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from clr_search.train.monitor.metrics import Row, append_row, read_metrics, truncate
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import OptimizerName

ROW = Row(
    epoch=1,
    step=4,
    images=30,
    loss=2.5,
    learning_rate=0.1,
    contrastive_accuracy=0.5,
    images_per_second=100.0,
    data_wait=0.01,
    seconds=3.0,
)


def network() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def step(net: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    net(images).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_training_goes_on_as_if_nothing_had_happened(name: OptimizerName, tmp_path: Path) -> None:
    config = resolve(replace(TrainConfig(device="cpu"), optimizer=name), 100)
    net = network()
    fresh = copy.deepcopy(net)
    optimizer = build_optimizer(net, config)
    for number in range(3):
        step(net, optimizer, number)
    progress = Progress(2, 17, 0.1 + 0.2, 3.25, 1.5, 0.1, 99.0, "print")
    path = OwnFolder(tmp_path) / "checkpoints/last.safetensors"
    save_checkpoint(path, net, optimizer, progress)
    other = build_optimizer(fresh, config)
    assert load_checkpoint(path, fresh, other) == progress
    for number in range(3, 6):
        step(net, optimizer, number)
        step(fresh, other, number)
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[key]), key


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    config = resolve(TrainConfig(device="cpu"), 100)
    net = network()
    optimizer = build_optimizer(net, config)
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, net, optimizer, Progress())
    whole = path.read_bytes()
    for damaged in (whole[:-8], whole[:10], b""):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"last\.safetensors is damaged"):
            load_checkpoint(path, net, optimizer)
    path.write_bytes(whole)
    with pytest.raises(UsageError, match="of another network"):
        load_checkpoint(path, nn.Linear(2, 2), optimizer)


def test_failed_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve(TrainConfig(device="cpu"), 100)
    net = network()
    optimizer = build_optimizer(net, config)
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, net, optimizer, Progress(step=1))

    def full_disk(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DiskError, match=r"last\.safetensors cannot be written: No space"):
        save_checkpoint(path, net, optimizer, Progress(step=2))
    assert load_checkpoint(path, net, optimizer).step == 1
    assert [item.name for item in tmp_path.iterdir()] == ["last.safetensors"]


def test_rows_are_read_back_and_truncated(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    for epoch in (1, 2, 3):
        append_row(path, replace(ROW, epoch=epoch))
    assert [row["epoch"] for row in read_metrics(path)] == [1, 2, 3]
    assert read_metrics(path)[0]["knn_accuracy"] is None
    truncate(path, 2)
    assert [row["epoch"] for row in read_metrics(path)] == [1, 2]


def test_cut_off_line_is_left_out_and_a_broken_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_row(path, ROW)
    with path.open("a") as handle:
        handle.write('{"epoch": 2, "lo')
    assert [row["epoch"] for row in read_metrics(path)] == [1]
    with path.open("a") as handle:
        handle.write("\n")
    with pytest.raises(UsageError, match=r"metrics\.jsonl is damaged"):
        read_metrics(path)


def test_a_checkpoint_with_any_other_contents_is_named(tmp_path: Path) -> None:
    """Its metadata and tensors, wrong in one way after the other, and its bytes at random."""
    config = resolve(TrainConfig(device="cpu"), 100)
    net, path = network(), tmp_path / "last.safetensors"
    optimizer = build_optimizer(net, config)
    step(net, optimizer, 0)
    save_checkpoint(path, net, optimizer, Progress(step=1))
    whole = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    progress = json.dumps(asdict(Progress(step=1)))
    wrong: list[tuple[dict[str, torch.Tensor], str]] = [
        (tensors, progress.replace('"step": 1', f'"step": {value}'))
        for value in ('"x"', "null", "1.5", "-1", "1e400", "true", "9" * 5000, '1, "step": 2')
    ]
    wrong += [(tensors, text) for text in ("", "[]", "{}", "null", "[" * 100_000, '{"a": 1}')]
    name = next(name for name in tensors if name.startswith("optimizer."))
    for other in ("optimizer.9999.step", "optimizer.x.step", "optimizer.-1", "optimizer", "y"):
        renamed = {other if n == name else n: tensor for n, tensor in tensors.items()}
        wrong.append((renamed, progress))
    wrong.append(({n: t for n, t in tensors.items() if not n.endswith("weight")}, progress))
    wrong.append(({n: t.reshape(-1)[:1].clone() for n, t in tensors.items()}, progress))
    for number, (held, text) in enumerate(wrong):
        save_file(held, path, metadata={"clr_search.progress": text})
        expected = pytest.raises(UsageError, match=r"last\.safetensors is damaged")
        if number >= len(wrong) - 7 and number < len(wrong) - 2:
            said = outcome(path)
            assert said == "" or "last.safetensors is damaged" in said, number
            continue
        with expected as caught:
            load_checkpoint(path, network(), optimizer)
        assert "--force" in caught.value.remedy
    chance = random.Random(0)
    for _ in range(100):
        changed = bytearray(whole)
        changed[chance.randrange(2000)] = chance.randrange(256)
        path.write_bytes(changed)
        said = outcome(path)
        assert said == "" or "last.safetensors is damaged" in said


def test_any_damage_to_a_checkpoint_is_named_and_costs_little(tmp_path: Path) -> None:
    case = checkpoints(tmp_path)
    read = [case(random.Random(f"checkpoints {number}")).read for number in range(40)]
    assert 0 < sum(read) < 40


def outcome(path: Path) -> str:
    """What loading a checkpoint says; empty where it succeeds, since tensors have no checksum."""
    net = network()
    try:
        load_checkpoint(path, net, build_optimizer(net, resolve(TrainConfig(device="cpu"), 100)))
    except UsageError as error:
        return error.what
    return ""
