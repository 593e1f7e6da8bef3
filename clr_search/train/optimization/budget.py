"""From a number of seconds to a number of epochs, by timing a few steps."""

from __future__ import annotations

import statistics
import time

import torch

from clr_search.train.data.batches import batches
from clr_search.train.data.collection import Collection
from clr_search.train.methods import build_method
from clr_search.train.monitor.evaluate import measurable
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.schedule import relative_cost
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.trainer import epoch_order, measure, take_step

_WARM = 2  # first steps, in which memory is allocated and kernels are made, are not counted
_SHARE = 0.05  # of the seconds, to be spent on timing
_MEASUREMENTS = 5  # of kNN accuracy in a training, see `TrainConfig.knn_every`


def epochs_for(seconds: float, config: ResolvedConfig, collection: Collection) -> int:
    """Epochs that take about `seconds`, the timing included; at least 1.

    The steps are taken with networks of their own, so that the training is the same as one that
    was given this number of epochs.
    """
    began = time.monotonic()
    device = torch.device(config.device)
    method = build_method(config, collection)
    method.networks.train()
    optimizer = build_optimizer(method.networks, config)
    order = epoch_order(len(collection), config.seed, 0)
    generator = generator_for(config.seed, "timing")
    durations: list[float] = []
    while len(durations) < _WARM + 3 or time.monotonic() - began < _SHARE * seconds:
        started = time.monotonic()
        batch = next(batches(collection, order, config.batch_size, config.image_size, device))
        objective = take_step(method, optimizer, batch, 1e-6, generator)
        objective.loss.item()  # waits for the device
        durations.append(time.monotonic() - started)
        if len(durations) > _WARM and sum(durations[_WARM:]) > seconds:
            break
    epoch = statistics.median(durations[_WARM:]) * (len(collection) // config.batch_size)
    chosen = measurable(collection, config.seed) if config.knn_every else None
    started = time.monotonic()
    if chosen is not None:
        measure(method.networks, collection, chosen, config)
    measuring = (time.monotonic() - started) * _MEASUREMENTS
    epoch *= relative_cost(config.grow_from, config.image_size)
    left = seconds - (time.monotonic() - began) - measuring
    return max(1, int(left / epoch))
