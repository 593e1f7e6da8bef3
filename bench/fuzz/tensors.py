"""Damaged weights, as `train --init` and `export` read them, and damaged checkpoints."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.fuzz.cases import Case, Outcome, measured, within
from bench.fuzz.damage import NUMBERS, mutated

MEGABYTES = 50
SECONDS = 2.0
"""What damaged weights may take; the network here is one of 3 MB."""

WRONG: tuple[Any, ...] = (None, True, "", "resnet50", "x" * 5000, [], {}, -1, 0, 1e308, 0.5, 65536)


def redescribed(data: bytes, chance: random.Random) -> bytes:
    """A safetensors file whose header, or the JSON in its metadata, says something else."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    facts = header["__metadata__"]
    for _ in range(chance.choice([1, 1, 2, 4])):
        name = chance.choice(sorted(header.keys() - {"__metadata__"}))
        kind = chance.randrange(4)
        if kind < 2:
            key = chance.choice(sorted(facts.keys() - {"format"}))
            told = json.loads(facts[key])
            told[chance.choice([*sorted(told), "y"])] = chance.choice([*WRONG, *NUMBERS])
            facts[key] = json.dumps(told)
        elif kind == 2:
            header[chance.choice(["y", "optimizer.0", "encoder.", "networks"])] = header.pop(name)
        else:
            header[name]["shape"] = chance.choice([[], [0], [2**40, 2**40], [1, 1, 1, 2**31]])
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A safetensors file that is damaged in its bytes, or in what its header says."""
    return chance.choice([mutated, redescribed])(data, chance)


def weights(folder: Path) -> Case:
    """Begin a training with weights, or read a run as `export` does."""
    from clr_search.train.methods.network import build_networks
    from clr_search.train.network.initial import (
        WEIGHTS,
        continued,
        load_initial,
        require_same_encoder,
    )
    from clr_search.train.run import load_run, write_initial_run
    from clr_search.train.settings.choices import resolve
    from clr_search.train.settings.config import TrainConfig

    tiny = TrainConfig(width=0.25, stem="imagenet", image_size=16, head_dim=16, device="cpu")
    run = write_initial_run(tiny, folder / "run")
    path, settings = run / WEIGHTS, run / "config.json"
    good, described = path.read_bytes(), settings.read_text()

    def begin() -> None:
        config = resolve(continued(replace(tiny, init=str(path))), 100)
        require_same_encoder(config)
        load_initial(build_networks(config), config)

    def case(chance: random.Random) -> Outcome:
        path.write_bytes(damaged(good, chance))
        reading = chance.choice([begin, lambda: load_run(run)])
        told = json.loads(described)
        if chance.random() < 0.3:
            told[chance.choice(["width", "head_dim", "head_hidden", "norm"])] = chance.choice(WRONG)
        settings.write_text(json.dumps(told))
        return within(measured(reading), MEGABYTES, SECONDS)

    begin()  # the first loads what later ones need
    return case


def checkpoints(folder: Path) -> Case:
    """Resume from a checkpoint."""
    import torch

    from clr_search.train.checkpoint import Progress, load_checkpoint, save_checkpoint
    from clr_search.train.methods.network import build_networks
    from clr_search.train.optimization.optimizers import build_optimizer
    from clr_search.train.settings.choices import resolve
    from clr_search.train.settings.config import TrainConfig

    tiny = TrainConfig(width=0.25, stem="imagenet", image_size=16, head_dim=16, device="cpu")
    config = resolve(tiny, 100)
    networks = build_networks(config)
    optimizer = build_optimizer(networks, config)
    networks["head"](networks["encoder"](torch.rand(4, 3, 16, 16))).square().sum().backward()
    optimizer.step()
    path = folder / "last.safetensors"
    save_checkpoint(path, networks, optimizer, Progress(epoch=1, step=3))
    good = path.read_bytes()
    load_checkpoint(path, networks, optimizer)

    def case(chance: random.Random) -> Outcome:
        path.write_bytes(damaged(good, chance))
        return within(
            measured(lambda: load_checkpoint(path, networks, optimizer)), MEGABYTES, SECONDS
        )

    return case
