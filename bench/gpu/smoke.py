"""What training does on a GPU, held against the processor, in less than a minute.

Each check makes what it needs from noise and returns a difference, which `CHECKS` bounds. `run`
prints a line for each, and goes on after one that fails, so that a job tells all that is wrong at
once. On a processor the checks run as well, and mostly compare it with itself.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, distributed, nn

from clr_search.files.own import OwnFolder
from clr_search.progress import Silent
from clr_search.train import TrainConfig
from clr_search.train.data.augment import apply
from clr_search.train.data.batches import batches
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.methods import build_method
from clr_search.train.network.compiled import compile_networks
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.step import take_step
from clr_search.train.rng import generator_for
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.trainer import Trainer

_COUNT, _SIDE = 256, 48  # pictures of noise, and their sides


def require(device: str) -> None:
    """End the program where a GPU is asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU. Try it on a processor: --device cpu --rehearse")


def noise() -> Collection:
    """Pictures of smoothed noise, in which views can be told apart."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(_COUNT, 3, 6, 6, generator=generator)
    smooth = nn.functional.interpolate(coarse, (_SIDE, _SIDE), mode="bilinear")
    pixels = (255 * smooth).to(torch.uint8).permute(0, 2, 1, 3).contiguous()
    numbers = torch.arange(_COUNT)
    return Collection(pixels, numbers, torch.ones(_COUNT), numbers * 0, ("noise",), [], "noise")


def settings(device: str) -> ResolvedConfig:
    """Two epochs of a small network, in fp32."""
    config = TrainConfig(
        width=0.25,
        stem="imagenet",
        image_size=32,
        cache_size=_SIDE,
        batch_size=64,
        epochs=2,
        knn_every=0,
        precision="fp32",
        device=device,
    )
    return resolve(config, _COUNT)


def augmentation(device: str) -> float:
    """The largest difference between views made on the device and on the processor."""
    collection = noise()
    chosen = Augmentation(strength=0.5, grey=0.2, blur=0.5)
    draws = draw(collection.aspects.repeat(2), chosen, torch.Generator().manual_seed(1))
    here = apply(collection.pixels, draws, chosen, 32)
    there = apply(collection.pixels.to(device), draws, chosen, 32).cpu()
    return float((here - there).abs().max())


def losses(config: ResolvedConfig, *, compiled: bool = False) -> Tensor:
    """The losses of the first steps, float64."""
    collection = noise()
    method = build_method(config, collection)
    method.networks.train()
    optimizer = build_optimizer(method.networks, config)
    if compiled:
        compile_networks(method.networks)
    found = []
    order, device = torch.arange(_COUNT), torch.device(config.device)
    for step, batch in enumerate(batches(collection, order, 64, 32, device)):
        generator = generator_for(0, "step", step)
        found.append(float(take_step(method, optimizer, batch, 1e-3, generator).loss))
    return torch.tensor(found, dtype=torch.float64)


def steps(device: str) -> float:
    """The largest relative difference between losses on the device and on the processor."""
    here, there = losses(settings("cpu")), losses(settings(device))
    return float(((here - there) / here).abs().max())


def compiled_steps(device: str) -> float:
    """The same, between the compiled network and the one as it is, both on the device."""
    plain = losses(settings(device))
    return float(((losses(settings(device), compiled=True) - plain) / plain).abs().max())


def resumed(device: str) -> float:
    """How far the weights of a training that was interrupted are from those of one that was not.

    Relative to the largest weight. The GPU adds in an order that changes, so that not every bit can
    be the same there.
    """
    config, collection = settings(device), noise()
    with TemporaryDirectory() as name:
        folder = OwnFolder.make(Path(name) / "whole")
        whole = Trainer(folder, config, collection, Silent())
        assert whole.run(lambda: False)
        folder = OwnFolder.make(Path(name) / "parts")
        seen = iter([False] * 5 + [True] * 1000)
        assert not Trainer(folder, config, collection, Silent()).run(lambda: next(seen))
        after = Trainer(folder, config, collection, Silent())
        after.restore()
        assert after.progress.step == 5
        assert after.run(lambda: False)
    pairs = zip(whole.networks.parameters(), after.networks.parameters(), strict=True)
    with torch.no_grad():
        return max(float((a - b).abs().max() / a.abs().max().clamp(min=1e-3)) for a, b in pairs)


def synchronised_norm(device: str) -> float:
    """Difference between batch normalisation and its synchronised form, in a group of one."""
    if torch.device(device).type == "cpu":
        return 0.0  # torch has the synchronised form for GPUs only
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("nccl", rank=0, world_size=1)
    try:
        plain = nn.BatchNorm2d(8).to(device)
        shared = nn.SyncBatchNorm(8).to(device)
        given = torch.randn(16, 8, 5, 5, device=device)
        return float((plain(given) - shared(given)).abs().max())
    finally:
        distributed.destroy_process_group()


CHECKS: tuple[tuple[Callable[[str], float], float], ...] = (
    (augmentation, 2e-3),
    (steps, 5e-3),
    (compiled_steps, 2e-2),
    (resumed, 0.05),
    (synchronised_norm, 1e-4),
)
"""Each check, and the largest difference that rounding and another order of sums explain."""


def run(device: str) -> bool:
    """Run all checks on a device, print what they found, and tell whether all have passed."""
    print("| check | difference | allowed | seconds | |\n|---|---|---|---|---|", flush=True)
    good = True
    for check, allowed in CHECKS:
        began = time.monotonic()
        try:
            found = check(device)
            text, passed = f"{found:.1e}", found <= allowed
        except Exception as error:  # noqa: BLE001  # The job goes on, and tells what failed.
            traceback.print_exc()
            text, passed = type(error).__name__, False
        good &= passed
        seconds = time.monotonic() - began
        name = check.__name__.replace("_", " ")
        verdict = "" if passed else "**failed**"
        print(f"| {name} | {text} | {allowed:.0e} | {seconds:.1f} | {verdict} |", flush=True)
    return good
