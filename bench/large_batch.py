"""What a large batch costs: peak memory and time of a step, and of the losses alone.

    python -m bench.large_batch

Each figure comes from a process of its own. Steps are of ResNet-18 at 32 px on random pictures, in
parts of 128; NT-Xent is on 2N random unit vectors of 128 dimensions, the loss of local views on 4N
more, forward and backward.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import torch
from torch.nn import functional as F

from bench.machine import machine
from clr_search.train.data.batches import Batch
from clr_search.train.hardware import tuned_for
from clr_search.train.losses import multicrop
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.methods.simclr import TILE, SimCLR
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.step import take_step
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig

SIDE = 32
DIMENSION = 128


def peak() -> float:
    """Peak memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(batch_size: int, micro_batch: int) -> dict[str, float]:
    """A step of training: peak memory, and seconds an image."""
    config = TrainConfig(image_size=SIDE, batch_size=batch_size, device="cpu", cache_size=SIDE)
    resolved = resolve(replace(config, micro_batch=micro_batch), batch_size)
    method = SimCLR(resolved)
    optimizer = build_optimizer(method.networks, resolved)
    pixels = torch.randint(0, 256, (batch_size, SIDE, 3, SIDE), dtype=torch.uint8)
    indices = torch.arange(batch_size)
    batch = Batch(pixels, torch.ones(batch_size), indices, indices, slice(0, batch_size), SIDE)
    seconds = []
    with tuned_for("cpu"):
        for number in range(3 if batch_size <= 1024 else 1):
            began = time.perf_counter()
            take_step(method, optimizer, batch, 1e-3, torch.Generator().manual_seed(number))
            seconds.append(time.perf_counter() - began)
    return {"megabytes": peak(), "images_per_second": batch_size / min(seconds)}


def loss(count: int, tile: int) -> dict[str, float]:
    """NT-Xent of `count` pairs, plain where `tile` is 0: memory beyond the inputs, and seconds."""
    torch.manual_seed(0)
    z1, z2 = (F.normalize(torch.randn(count, DIMENSION), dim=1) for _ in range(2))
    z1.requires_grad_()
    z2.requires_grad_()
    nt_xent(z1[:64], z2[:64], 0.1, tile=16).loss.backward()  # type: ignore[no-untyped-call]
    z1.grad = z2.grad = None
    before = peak()
    seconds = []
    for _ in range(3 if count <= 4096 else 1):
        began = time.perf_counter()
        nt_xent(z1, z2, 0.1, tile=tile or None).loss.backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - began)
    return {"megabytes": peak() - before, "seconds": min(seconds)}


def local(count: int, blocks: int) -> dict[str, float]:
    """As `loss`, of 4 local views of `count` pictures, in blocks or whole: memory alone."""
    torch.manual_seed(0)
    views = torch.randn(4, count, DIMENSION, requires_grad=True)
    z1, z2 = (torch.randn(count, DIMENSION, requires_grad=True) for _ in range(2))
    multicrop.BLOCK = multicrop.BLOCK if blocks else 2**62
    warm = multicrop.local_to_global(views[:, :64], z1[:64], z2[:64], 0.1)
    warm.backward()  # type: ignore[no-untyped-call]
    before = peak()
    multicrop.local_to_global(views, z1, z2, 0.1).backward()  # type: ignore[no-untyped-call]
    return {"megabytes": peak() - before}


def alone(name: str, *arguments: int) -> dict[str, float]:
    """One of the above, in a process of its own."""
    command = [sys.executable, "-m", "bench.large_batch", name, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print."""
    if len(sys.argv) > 1:
        name, *numbers = sys.argv[1:]
        function = {"step": step, "loss": loss, "local": local}[name]
        print(json.dumps(function(*map(int, numbers))))
        return
    print(machine(), "\n")
    print("| a step, ResNet-18, 32 px | peak memory | images/s |\n|---|---|---|")
    for size, part in ((256, 256), (256, 128), (8192, 128)):
        found = alone("step", size, part)
        print(
            f"| batch {size:,} in parts of {part} | {found['megabytes']:,.0f} MB | "
            f"{found['images_per_second']:.0f} |"
        )
    print("\n| NT-Xent, d = 128 | memory beyond the inputs | seconds |\n|---|---|---|")
    for count in (1024, 4096, 16384):
        for tile in (0, TILE):
            found = alone("loss", count, tile)
            name = f"tiles of {tile:,}" if tile else "plain"
            print(
                f"| N = {count:,}, {name} | {found['megabytes']:,.0f} MB | {found['seconds']:.2f} |"
            )
    print("\n| 4 local views, d = 128 | memory beyond the inputs |\n|---|---|")
    for count in (2048, 4096, 8192):
        for blocks in (0, 1):
            found = alone("local", count, blocks)
            name = "in blocks" if blocks else "whole"
            print(f"| N = {count:,}, {name} | {found['megabytes']:,.0f} MB |")


if __name__ == "__main__":
    main()
