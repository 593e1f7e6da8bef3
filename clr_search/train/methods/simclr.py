"""SimCLR: two views of each image are to be each other's most similar view in the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import draw
from clr_search.train.distributed import gather
from clr_search.train.losses.dcl import dcl
from clr_search.train.losses.margin import margin_triplet
from clr_search.train.losses.multicrop import local_to_global, mean_of_pairs
from clr_search.train.losses.nt_logistic import nt_logistic
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.cached import cached_backward, statistics_kept
from clr_search.train.methods.network import build_networks, parts_of, project
from clr_search.train.settings.resolved import ResolvedConfig

TILED_FROM = 2048
"""Batch size from which NT-Xent is computed in tiles. The matrix of similarities would take 67 MB
several times over, and from this size on tiles are faster as well (`bench.large_batch`)."""

TILE = 1024
"""Side of the tiles on a processor. A tile takes 4 MB, which stay in the processor's cache."""

GPU_TILE = 4096
"""Side of the tiles on a GPU, which needs large products to be busy. A tile takes 67 MB."""


class SimCLR:
    """Algorithm 1 of SimCLR (arXiv 2002.05709), with the loss that the settings name.

    Parameters
    ----------
    config : ResolvedConfig
        Settings. The networks are initialised from `seed` and put on `device`.
    networks : nn.ModuleDict, optional
        "encoder" and "head" of another method, to be used instead.
    """

    def __init__(self, config: ResolvedConfig, networks: nn.ModuleDict | None = None) -> None:
        self.networks = build_networks(config) if networks is None else networks
        self._config = config
        self._loss = loss_for(config)

    def loss(self, z1: Tensor, z2: Tensor, *local: Tensor) -> Objective:
        """The loss over the images of all processes, from the projections [b, d] of this one."""
        z1, z2 = gather(z1), gather(z2)
        objective = self._loss(z1, z2)
        if not local:
            return objective
        local_loss = local_to_global(
            torch.stack([gather(z) for z in local]),
            z1,
            z2,
            self._config.temperature,
            normalise=self._config.normalise,
            decoupled=self._config.loss == "dcl",
        )
        return Objective(mean_of_pairs(objective.loss, local_loss, len(local)), objective.accuracy)

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of the loss over two views of each image, and over its local views."""
        embed = self.embedder(batch, generator)
        return cached_backward(embed, parts_of(batch, self._config), self.loss, self.networks)

    def embedder(self, batch: Batch, generator: torch.Generator) -> Callable[[slice], Tensor]:
        """A function that computes the projections of all views of a part, float32 [V, n, d].

        The first two views are global.
        """
        config = self._config
        draws = draw(batch.aspects.repeat(2), config.augmentation, generator)
        local = self._local_projections(batch, generator) if config.local_views else None

        def embed(part: slice) -> Tensor:
            z = project(self.networks, batch, part, draws, config)
            return z if local is None else torch.cat([z, local(part)])

        return embed

    def _local_projections(
        self, batch: Batch, generator: torch.Generator
    ) -> Callable[[slice], Tensor]:
        """A function that computes z of the local views, float32 [V, n, d], of a part."""
        config = self._config
        assert config.local_size is not None  # `resolve` chooses it where there are local views
        smaller = replace(batch, view_side=min(config.local_size, batch.view_side))
        settings = replace(config.augmentation, crop_scale=config.augmentation.local_scale)
        draws = draw(batch.aspects.repeat(config.local_views), settings, generator)

        def embed(part: slice) -> Tensor:
            with statistics_kept(self.networks):
                return project(self.networks, smaller, part, draws, config)

        return embed


def loss_for(config: ResolvedConfig) -> Callable[[Tensor, Tensor], Objective]:
    """The loss that the settings name, as a function of z1 and z2, [N, d] each.

    Returns
    -------
    callable
        One of `nt_xent`, `dcl`, `nt_logistic` and `margin_triplet`, with its parameters set.
    """
    normalise, semi_hard = config.normalise, config.loss.endswith("-semi-hard")
    if config.loss == "dcl":
        return partial(dcl, temperature=config.temperature, normalise=normalise)
    if config.loss in ("nt-logistic", "nt-logistic-semi-hard"):
        temperature = config.temperature
        return partial(
            nt_logistic, temperature=temperature, normalise=normalise, semi_hard=semi_hard
        )
    if config.loss in ("margin", "margin-semi-hard"):
        margin = config.margin
        return partial(margin_triplet, margin=margin, normalise=normalise, semi_hard=semi_hard)
    tile = None
    if config.batch_size >= TILED_FROM:
        tile = TILE if torch.device(config.device).type == "cpu" else GPU_TILE
    return partial(nt_xent, temperature=config.temperature, normalise=normalise, tile=tile)
