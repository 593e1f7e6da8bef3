"""What is measured on the networks after each epoch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clr_search.files.own import OwnFolder
from clr_search.progress import Reporter
from clr_search.train.data.batches import epoch_order
from clr_search.train.data.collection import Collection
from clr_search.train.monitor.album import append_neighbours, write_sheets
from clr_search.train.monitor.evaluate import features, measurable, measure_knn
from clr_search.train.monitor.health import (
    SPREAD_IMAGES,
    Spread,
    require_finite_vectors,
    spread,
)
from clr_search.train.monitor.heldout import held_out_loss
from clr_search.train.settings.resolved import ResolvedConfig


class Measurements(NamedTuple):
    """The measurements after one epoch.

    Attributes
    ----------
    knn_accuracy : float or None
        kNN accuracy of h in [0, 1], if it is due after this epoch.
    spread : Spread
        Spread of h.
    held_out_loss : float or None
        Loss of the held-out images, if there are any.
    """

    knn_accuracy: float | None
    spread: Spread
    held_out_loss: float | None


class EpochMonitor:
    """Measures the networks of a training after each epoch.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", as the run will keep them.
    collection : Collection
        The images of the training.
    held_out : Tensor
        int64 [H]: numbers of the images that are not trained on.
    config : ResolvedConfig
        Settings of the training.
    reporter : Reporter
        Receives a warning, once, if the representation has collapsed.
    """

    def __init__(
        self,
        networks: nn.ModuleDict,
        collection: Collection,
        held_out: Tensor,
        config: ResolvedConfig,
        reporter: Reporter,
    ) -> None:
        self._networks, self._collection, self._held_out = networks, collection, held_out
        self._config, self._reporter = config, reporter
        self._device = torch.device(config.device)
        self._knn_indices = measurable(collection, config.seed) if config.knn_every else None
        self._spread_indices = epoch_order(len(collection), config.seed, -1)[:SPREAD_IMAGES]
        self._warned = False

    def begin(self, out: OwnFolder, *, fresh: bool) -> None:
        """Write what there is to see before the first epoch, where it is missing.

        Parameters
        ----------
        out : OwnFolder
            The folder of the run.
        fresh : bool
            Whether nothing has been trained yet, so that the neighbours of the beginning are known.
        """
        write_sheets(out, self._collection, self._spread_indices, self._config)
        if fresh:
            append_neighbours(out, 0, self._sample())

    def measure(self, epoch: int, out: OwnFolder, step: int, *, last: bool) -> Measurements:
        """Measure the networks after an epoch, counted from 1, or after the last one.

        Raises
        ------
        DivergedError
            If the representations are not finite; the message names `step`, and the checkpoint
            that the run in `out` keeps.
        """
        h = self._sample()
        require_finite_vectors(h, out, step)
        measured_spread = self._spread(h)
        append_neighbours(out, epoch, h)
        return Measurements(self._knn(epoch, last), measured_spread, self._held_out_loss())

    def _sample(self) -> Tensor:
        """Embed the images whose spread is measured, float32 [M, D]."""
        encoder, size = self._networks["encoder"], self._config.image_size
        return features(encoder, self._collection, self._spread_indices, size, self._device)

    def _spread(self, h: Tensor) -> Spread:
        """Measure the spread of h, and warn once if the representation has collapsed."""
        measured = spread(h)
        if measured.collapsed and not self._warned:
            self._warned = True
            self._reporter.message(
                f"All images are embedded to nearly the same vector (mean cosine "
                f"{measured.mean_cosine:.3f}): they are alike, or the representation has "
                "collapsed. A lower --learning-rate or a stronger augmentation may help."
            )
        return measured

    def _knn(self, epoch: int, last: bool) -> float | None:
        config = self._config
        due = config.knn_every and (epoch % config.knn_every == 0 or last)
        if self._knn_indices is None or not due:
            return None
        return measure_knn(self._networks, self._collection, self._knn_indices, config)

    def _held_out_loss(self) -> float | None:
        if not len(self._held_out):
            return None
        return held_out_loss(self._networks, self._collection, self._held_out, self._config)
