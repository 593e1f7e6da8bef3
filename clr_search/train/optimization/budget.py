"""The number of epochs that fit into a given time, by timing a few steps."""

from __future__ import annotations

import statistics
import time

import torch

from clr_search.train.data.batches import batches, epoch_order
from clr_search.train.data.collection import Collection
from clr_search.train.methods import build_method
from clr_search.train.monitor.evaluate import measurable, measure_knn
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.schedule import relative_cost
from clr_search.train.optimization.step import take_step
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig

_WARM_UP_STEPS = 2  # steps that are not counted: they allocate memory and compile kernels
_TIMING_SHARE = 0.05  # share of the given time that is spent on timing
_KNN_MEASUREMENTS = 5  # measurements of kNN accuracy in a training, see `TrainConfig.knn_every`


def epochs_for(seconds: float, config: ResolvedConfig, collection: Collection) -> int:
    """The number of epochs that take about `seconds`, including the time of this measurement.

    The timed steps use networks of their own, so the training is the same as if it had been given
    this number of epochs.

    Parameters
    ----------
    seconds : float
        Time for the whole training.
    config : ResolvedConfig
        Settings of the training.
    collection : Collection
        The images to train on.

    Returns
    -------
    int
        At least 1.
    """
    began = time.monotonic()
    device = torch.device(config.device)
    method = build_method(config, collection)
    method.networks.train()
    optimizer = build_optimizer(method.networks, config)
    order = epoch_order(len(collection), config.seed, 0)
    generator = generator_for(config.seed, "timing")
    durations: list[float] = []
    while len(durations) < _WARM_UP_STEPS + 3 or time.monotonic() - began < _TIMING_SHARE * seconds:
        started = time.monotonic()
        batch = next(batches(collection, order, config.batch_size, config.image_size, device))
        objective = take_step(method, optimizer, batch, 1e-6, generator)
        objective.loss.item()  # waits for the device
        durations.append(time.monotonic() - started)
        if len(durations) > _WARM_UP_STEPS and sum(durations[_WARM_UP_STEPS:]) > seconds:
            break
    epoch = statistics.median(durations[_WARM_UP_STEPS:]) * (len(collection) // config.batch_size)
    indices = measurable(collection, config.seed) if config.knn_every else None
    started = time.monotonic()
    if indices is not None:
        measure_knn(method.networks, collection, indices, config)
    measuring = (time.monotonic() - started) * _KNN_MEASUREMENTS
    epoch *= relative_cost(config.grow_from, config.image_size)
    left = seconds - (time.monotonic() - began) - measuring
    return max(1, int(left / epoch))
