"""How fast SimCLR trains here: ours, lightly's, a plain torchvision loop, and the ceiling.

    python -m bench.train_throughput cifar10/train
    python -m bench.train_throughput imagenette128/train --image-size 96 --batch-size 64 \
        --stem imagenet

All train the same ResNet-18 with the same head on the same pictures, in one run, on the machine
that is named. `lightly` has its own transform, loss and dataset; the plain loop has torchvision's
transforms and a `DataLoader`. Both are measured as their documentation has them (fp32), and with
bf16 and channels-last, which ours chooses by itself where the processor has it. The ceiling is the
network alone, forward and backward, on tensors that lie in memory, with the allocator set as ours
sets it. Images are counted once, though each is seen in two views. Each has a process of its own.
They take turns, an epoch each, so that a machine whose speed drifts is fair to all; the first round
is not counted, and of the others the median is shown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bench.machine import machine
from clr_search import images
from clr_search.files.finding.find import find_images
from clr_search.files.own import OwnFolder
from clr_search.progress import Silent
from clr_search.train import TrainConfig
from clr_search.train.data.decode import decode_collection
from clr_search.train.hardware import tuned_for
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.methods.network import build_networks
from clr_search.train.monitor.metrics import METRICS, read_metrics
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Speed:
    """Images a second, and the share of the time spent waiting for data."""

    images_per_second: float
    wait: float


Views = Callable[[Any], Sequence[Tensor]]
"""Makes two views of a Pillow image."""


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Pictures from files, two views of each, as every tutorial has it."""

    def __init__(self, files: list[Path], views: Views) -> None:
        self._files, self._views = files, views

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        first, second = self._views(Image.fromarray(images.load(self._files[number]).pixels))
        return first, second


def torchvision_views(config: ResolvedConfig) -> Views:
    """The paper's augmentation by torchvision, picture by picture."""
    a, size = config.augmentation, config.image_size
    jitter = transforms.ColorJitter(*[0.8 * a.strength] * 3, 0.2 * a.strength)
    steps: list[Any] = [
        transforms.RandomResizedCrop(size, a.crop_scale, a.crop_ratio),
        transforms.RandomHorizontalFlip(a.flip),
        transforms.RandomApply([jitter], a.jitter),
        transforms.RandomGrayscale(a.grey),
    ]
    if a.blur:
        kernel = 2 * (int(a.blur_kernel * size) // 2) + 1
        steps.append(
            transforms.RandomApply([transforms.GaussianBlur(kernel, a.blur_sigma)], a.blur)
        )
    transform = transforms.Compose([*steps, transforms.ToTensor()])
    return lambda picture: (transform(picture), transform(picture))


def lightly_views(config: ResolvedConfig) -> Views:
    """Lightly's transform, with the settings of ours."""
    from lightly.transforms.simclr_transform import SimCLRTransform

    views: Any = SimCLRTransform(
        input_size=config.image_size,
        cj_strength=config.augmentation.strength,
        gaussian_blur=config.augmentation.blur,
        normalize=None,  # the network does that
    )
    return cast(Views, views)


def waiting(loader: Iterable[Any], waited: list[float]) -> Iterator[Any]:
    """Hand on batches, and add up how long each was waited for."""
    iterator = iter(loader)
    while True:
        began = time.perf_counter()
        batch = next(iterator, None)
        waited[0] += time.perf_counter() - began
        if batch is None:
            return
        yield batch


def peer(
    pairs: Pairs, loss: Callable[[Tensor, Tensor], Tensor], config: ResolvedConfig, *, fast: bool
) -> Iterator[Speed]:
    """Epochs of a training loop with a `DataLoader`; `fast` adds bf16 and channels-last."""
    networks = build_networks(config)
    if not fast:
        networks.to(memory_format=torch.contiguous_format)
    networks.train()
    optimizer = build_optimizer(networks, config)
    loader = DataLoader(
        pairs,
        config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        multiprocessing_context="fork",  # the default of Linux, where the parent is not spawned
    )
    layout = torch.channels_last if fast else torch.contiguous_format
    while True:
        count, waited, began = 0, [0.0], time.perf_counter()
        for batch in waiting(loader, waited):
            views = torch.cat(batch).contiguous(memory_format=layout)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                z = networks["head"](networks["encoder"](views))
            optimizer.zero_grad(set_to_none=True)
            loss(*z.float().chunk(2)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            count += len(views) // 2
        seconds = time.perf_counter() - began
        yield Speed(count / seconds, waited[0] / seconds)


def ours(files: list[Path], config: ResolvedConfig, out: Path) -> Iterator[Speed]:
    """Epochs of `clr-search train`, all that its loop does included."""
    found = find_images(files)
    collection = decode_collection(found, config.cache_size, config.cache, out, Silent())
    trainer = Trainer(OwnFolder.make(out), config, collection, Silent())
    trainer.method.networks.train()
    while True:
        trainer._epoch(lambda: False)
        row = read_metrics(out / METRICS)[-1]
        yield Speed(row["images_per_second"], row["data_wait"])


def ceiling(config: ResolvedConfig, steps: int, *, fast: bool) -> Iterator[Speed]:
    """The network alone: forward and backward on views in memory, with the loss."""
    networks: nn.ModuleDict = build_networks(config).train()
    views = torch.rand(2 * config.batch_size, 3, config.image_size, config.image_size)
    views = views.contiguous(memory_format=torch.channels_last)
    while True:
        began = time.perf_counter()
        for _ in range(steps):
            networks.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                z = networks["head"](networks["encoder"](views))
            z1, z2 = z.float().chunk(2)
            nt_xent(z1, z2, config.temperature).loss.backward()  # type: ignore[no-untyped-call]
        yield Speed(steps * config.batch_size / (time.perf_counter() - began), 0.0)


def contenders(config: ResolvedConfig) -> list[str]:
    """All of them, by name."""
    names = ["the network alone", "clr-search"]
    for peer in ("lightly", "torchvision, DataLoader"):
        names.append(peer)
        if config.precision == "bf16":
            names.append(f"{peer}{_FAST}")
    return names


_FAST = ", bf16, channels-last"


def epochs_of(name: str, files: list[Path], config: ResolvedConfig, out: Path) -> Iterator[Speed]:
    """Epochs of the one of that name."""
    if name == "the network alone":
        fast, steps = config.precision == "bf16", len(files) // config.batch_size
        return ceiling(config, steps, fast=fast)
    if name == "clr-search":
        return ours(files, config, out)
    fast = name.endswith(_FAST)
    if name.startswith("lightly"):
        from lightly.loss import NTXentLoss

        pairs = Pairs(files, lightly_views(config))
        return peer(pairs, NTXentLoss(config.temperature), config, fast=fast)
    pairs = Pairs(files, torchvision_views(config))
    return peer(pairs, lambda a, b: nt_xent(a, b, config.temperature).loss, config, fast=fast)


def contend(
    name: str, files: list[Path], config: ResolvedConfig, out: Path, turns: Connection
) -> None:
    """Process of one of them: an epoch whenever it has its turn."""
    epochs = epochs_of(name, files, config, out)
    with tuned_for("cpu") if name in ("the network alone", "clr-search") else nullcontext():
        while turns.recv():
            turns.send(next(epochs))


def measure(folder: Path, asked: TrainConfig, count: int, rounds: int) -> dict[str, Speed]:
    """Median speeds on `count` pictures spread over a folder."""
    found = find_images([folder])
    files = [file.path for file in found[:: max(1, len(found) // count)]][:count]
    config = resolve(asked, len(files))
    spawn = multiprocessing.get_context("spawn")
    turns: dict[str, Connection] = {}
    with tempfile.TemporaryDirectory() as out:
        for name in contenders(config):
            turns[name], its_end = spawn.Pipe()
            given = (name, files, config, Path(out), its_end)
            spawn.Process(target=contend, args=given).start()
            its_end.close()  # so that the end of the process ends the wait for it
        seen: dict[str, list[Speed]] = {name: [] for name in turns}
        for _ in range(1 + rounds):
            for name, turn in turns.items():
                turn.send(True)
                seen[name].append(turn.recv())
        for turn in turns.values():
            turn.send(False)
    return {
        name: Speed(
            statistics.median(speed.images_per_second for speed in speeds[1:]),
            statistics.median(speed.wait for speed in speeds[1:]),
        )
        for name, speeds in seen.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--stem", default="auto", help="imagenet: as torchvision's ResNet has it")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asked = TrainConfig(
        image_size=given.image_size,
        stem=given.stem,
        batch_size=given.batch_size,
        epochs=10_000,
        checkpoint_every=10_000,
        optimizer="sgd",
        knn_every=0,
        device="cpu",
    )
    speeds = measure(given.folder, asked, given.images, given.rounds)
    mine = speeds["clr-search"].images_per_second
    print(machine(), "\n")
    print(
        f"ResNet-18, stem {given.stem}, {given.image_size} px, batch {given.batch_size}, "
        f"{given.images} pictures of {given.folder}\n"
    )
    print("| | images/s | clr-search is | waiting for data |\n|---|---|---|---|")
    for name, speed in speeds.items():
        ratio = mine / speed.images_per_second
        print(f"| {name} | {speed.images_per_second:.1f} | {ratio:.2f}× | {speed.wait:.1%} |")


if __name__ == "__main__":
    main()
