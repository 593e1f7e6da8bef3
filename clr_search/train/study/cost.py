"""What a study will cost on this machine, by the time of a few steps of each kind of training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from clr_search.train.data.batches import batches
from clr_search.train.data.collection import resident
from clr_search.train.hardware import tuned_for
from clr_search.train.methods import build_method
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.step import take_step
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study.applied import CHANGES, PROBED
from clr_search.train.study.pictures import Pictures
from clr_search.train.study.store import Training
from clr_search.train.threads import using_threads

_SECONDS = 1.0  # how long steps of a kind are timed
_FORWARD = 1 / 3  # of the time of a step for one view that embedding a picture takes
_FITTING = 5.0  # seconds that fitting the classifiers takes


@dataclass(frozen=True, slots=True)
class Cost:
    """The expected time of a training.

    Attributes
    ----------
    rate : float
        Pictures that pass through a step per second, with all their views.
    seconds : float
        Time of training and measuring.
    """

    rate: float
    seconds: float


def costs(trainings: Sequence[Training], pictures: Pictures, threads: int) -> list[Cost]:
    """The expected time of each training, from steps of a second for each kind of network.

    Parameters
    ----------
    trainings : sequence of Training
        The trainings.
    pictures : Pictures
        The images.
    threads : int
        Number of threads of the processor.
    """
    rates: dict[ResolvedConfig, float] = {}
    found = []
    for one in trainings:
        kind = _kind(one.config)
        if kind not in rates:
            with using_threads(threads), tuned_for(kind.device):
                rates[kind] = _rate(kind, pictures)
        found.append(_cost(one.config, rates[kind], pictures))
    return found


def _kind(config: ResolvedConfig) -> ResolvedConfig:
    """The settings without those that do not change the time of a picture, or hardly."""
    return replace(
        config,
        temperature=0.2,
        normalise=True,
        seed=0,
        learning_rate=1e-4,
        epochs=1,
        warmup_epochs=0.0,
        batch_size=min(config.batch_size, 256),
        micro_batch=None,
        head_dim=128,
    )


def _rate(config: ResolvedConfig, pictures: Pictures) -> float:
    """Pictures per second in steps of a training; the first step does not count."""
    collection, device = resident(pictures.train, config.device), torch.device(config.device)
    method = build_method(config, collection)
    method.networks.train()
    optimizer = build_optimizer(method.networks, config)
    generator = generator_for(0, "step")
    order = torch.arange(config.batch_size)
    count, began = 0, 0.0
    while count < 2 or time.monotonic() - began < _SECONDS:
        for batch in batches(collection, order, config.batch_size, config.image_size, device):
            objective = take_step(method, optimizer, batch, config.learning_rate, generator)
            float(objective.loss)  # waits for the device
        if count == 0:
            began = time.monotonic()
        count += 1
    return (count - 1) * config.batch_size / (time.monotonic() - began)


def _cost(config: ResolvedConfig, rate: float, pictures: Pictures) -> Cost:
    views = 1 if config.method == "supervised" else 2
    parts = -(-config.batch_size // (config.micro_batch or config.batch_size))
    caching = 1 + _FORWARD if parts > 1 else 1.0
    forms = sum(len(changes) + 1 for changes in CHANGES.values())
    embedded = len(pictures.train) + len(pictures.test) + sum(PROBED) * forms
    training = config.epochs * len(pictures.train) * caching / rate
    return Cost(rate / caching, training + embedded * _FORWARD / (rate * views) + _FITTING)
