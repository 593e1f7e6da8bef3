"""Distillation: an encoder learns the geometry of a teacher, alone or beside SimCLR.

A linear projection maps h to the length of the teacher's vectors, so that what h is compared by
stays h itself. The teacher has embedded all pictures before the training, whole and once. SEED
(arXiv 2101.04731) compares with a queue of the teacher's vectors of the last batches; here those of
all pictures are at hand, and as many are drawn anew in each step. Both are random pictures of the
collection, and the draw needs no state that a resumed training would have to restore.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.distributed import gather
from clr_search.train.hardware import sent
from clr_search.train.losses.distillation import distillation
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.cached import cached_backward
from clr_search.train.methods.network import build_networks, parts_of, project
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.network.model import build_encoder
from clr_search.train.rng import derived_seed
from clr_search.train.settings.resolved import ResolvedConfig

REFERENCES = 2048
"""Number K of pictures that every picture of a step is compared with, as the length of a queue."""


class _Both(nn.Module):
    """The projections of two heads, one behind the other, as float [N, d + D]."""

    def __init__(self, head: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.head, self.projection = head, projection

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([self.head(h), self.projection(h)], dim=1)


class Distil:
    """Distillation with weight w, and SimCLR with weight 1 − w.

    With weight 1 a step has one view of each image; beside SimCLR, the teacher judges its two
    global views.

    Parameters
    ----------
    config : ResolvedConfig
        Settings, with `teacher_weight` w.
    collection : Collection
        The images, with the vectors of the teacher.
    """

    def __init__(self, config: ResolvedConfig, collection: Collection) -> None:
        assert collection.teacher is not None  # `begin` has let it embed the images
        self._vectors = collection.teacher.vectors
        length = self._vectors.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(config.seed, "projection"))
            dimension = build_encoder(config).dimension
            linear = nn.Linear(dimension, length, bias=False)
        self.networks = build_networks(config, projection=linear)
        self._config, self._length = config, length
        self._alone = config.teacher_weight == 1
        head, projection = self.networks["head"], self.networks["projection"]
        self._projecting = nn.ModuleDict(
            {
                "encoder": self.networks["encoder"],
                "head": projection if self._alone else _Both(head, projection),
            }
        )
        self._simclr = SimCLR(config, self._projecting)

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of the weighted sum of both losses."""
        config = self._config
        embed = self._one_view(batch, generator) if self._alone else None
        embed = embed or self._simclr.embedder(batch, generator)
        drawn = torch.randint(len(self._vectors), (REFERENCES,), generator=generator)
        device = batch.pixels.device
        targets, references = (
            F.normalize(sent(self._vectors[rows], device).float(), dim=1)
            for rows in (batch.indices, drawn)
        )

        def loss(*views: Tensor) -> Objective:
            taught = [gather(view[:, -self._length :]) for view in views[:2]]
            told = distillation(torch.cat(taught), targets.repeat(len(taught), 1), references)
            if self._alone:
                return told
            contrasted = self._simclr.loss(*(view[:, : -self._length] for view in views))
            weight = config.teacher_weight
            mixed = weight * told.loss + (1 - weight) * contrasted.loss
            return Objective(mixed, contrasted.accuracy)

        return cached_backward(embed, parts_of(batch, config), loss, self.networks)

    def _one_view(self, batch: Batch, generator: torch.Generator) -> Callable[[slice], Tensor]:
        """A function that computes the projections, float32 [1, n, D], of a part."""
        draws = draw(batch.aspects, self._config.augmentation, generator)

        def embed(part: slice) -> Tensor:
            return project(self._projecting, batch, part, draws, self._config)

        return embed
