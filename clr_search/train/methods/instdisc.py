"""Instance discrimination (Wu et al. 2018, arXiv 1805.01978), the past work SimCLR overtook.

Every picture is a class of its own. A memory bank keeps a unit vector v_i of each, the mean of what
it was embedded to; a view of picture i is to be told from all others by v_i. "§" and "equation"
refer to that paper. Its proximal regularisation is left out: it is there for other optimizers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import draw
from clr_search.train.distributed import gather, total, world
from clr_search.train.hardware import sent
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.network import build_networks, parts_of, project
from clr_search.train.network.model import build_encoder
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig

MOMENTUM = 0.5
"""Share of the old vector that an update of the bank keeps, as in the authors' code."""


class MemoryBank(nn.Module):
    """A unit vector for each picture. It has a place of its own, and is kept in checkpoints.

    Parameters
    ----------
    count, dimension : int
        N pictures, d numbers each.
    generator : torch.Generator
        Of the random unit vectors it starts with.
    """

    vectors: Tensor
    constant: Tensor

    def __init__(self, count: int, dimension: int, generator: torch.Generator) -> None:
        super().__init__()
        start = F.normalize(torch.randn(count, dimension, generator=generator), dim=1)
        self.register_buffer("vectors", start)
        self.register_buffer("constant", torch.zeros(()))  # Z of NCE; 0 until it is estimated

    @torch.no_grad()
    def update(self, indices: Tensor, z: Tensor) -> None:
        """Mix z, unit vectors [B, d], into those of the pictures `indices`, int64 [B]."""
        mixed = self.vectors[indices] * MOMENTUM + z * (1 - MOMENTUM)
        self.vectors[indices] = F.normalize(mixed, dim=1)


class InstDisc:
    """The method; one view of each picture a step.

    Parameters
    ----------
    config : ResolvedConfig
        Settings; `negatives` of 0 takes the full softmax.
    count : int
        Pictures of the collection.
    """

    def __init__(self, config: ResolvedConfig, count: int) -> None:
        dimension = config.head_dim
        if config.head == "none":
            dimension = build_encoder(config).dimension
        bank = MemoryBank(count, dimension, generator_for(config.seed, "bank"))
        self.networks = build_networks(config, bank=bank)
        self._bank = bank
        self._config = config
        self._estimated = False  # whether Z, the constant of NCE, is known

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients, then bring the bank up to date."""
        config, count = self._config, len(batch.aspects)
        draws = draw(batch.aspects, config.augmentation, generator)
        drawn = torch.randint(len(self._bank.vectors), (config.negatives,), generator=generator)
        device = batch.pixels.device
        indices, drawn = sent(batch.indices, device), sent(drawn, device)
        loss = accuracy = torch.zeros((), device=device)
        found = []
        for part in parts_of(batch, config):
            z = F.normalize(project(self.networks, batch, part, draws, config)[0], dim=1)
            objective = self._objective(z, indices[batch.share][part], drawn)
            share = len(z) / count
            (objective.loss * share).backward()  # type: ignore[no-untyped-call]
            loss = loss + objective.loss.detach() * share
            accuracy = accuracy + objective.accuracy * share
            found.append(z.detach())
        self._bank.update(indices, gather(torch.cat(found)))
        return Objective(total(loss), total(accuracy))

    def _objective(self, z: Tensor, indices: Tensor, drawn: Tensor) -> Objective:
        temperature = self._config.temperature
        if not self._config.negatives:
            return full_softmax(z, self._bank.vectors, indices, temperature)
        self._estimated = self._estimated or bool(self._bank.constant)  # read until it is there
        if not self._estimated:
            with torch.no_grad():  # equation 7, on the first batch, and constant from then on
                weights = (z @ self._bank.vectors[drawn].T / temperature).exp()
                mean = total(weights.mean()) / world().size
                self._bank.constant.fill_(mean * len(self._bank.vectors))
        return noise_contrastive(
            z, self._bank.vectors, indices, drawn, temperature, self._bank.constant
        )


def full_softmax(z: Tensor, bank: Tensor, indices: Tensor, temperature: float) -> Objective:
    """Cross entropy of picking one's own vector among all (equation 2).

    Parameters
    ----------
    z : Tensor
        float32 [B, d], rows of unit length.
    bank : Tensor
        float32 [N, d], rows of unit length.
    indices : Tensor
        int64 [B]: whose views they are.
    temperature : float
        τ > 0; 0.07 in the paper.
    """
    logits = z @ bank.T / temperature  # [B, N]
    accuracy = (logits.detach().argmax(dim=1) == indices).float().mean()
    return Objective(F.cross_entropy(logits, indices), accuracy)


def noise_contrastive(
    z: Tensor, bank: Tensor, indices: Tensor, drawn: Tensor, temperature: float, constant: Tensor
) -> Objective:
    """Tell one's own vector from m drawn ones (§3.2, equations 4 to 6).

    With P(i|z) = exp(v_i·z/τ)/Z and h = P/(P + m/N), the mean over z of −log h(own) and, for each
    drawn one, −log(1 − h). The batch shares the drawn ones, so that memory is not m times B.

    Parameters
    ----------
    z, bank, indices, temperature
        As `full_softmax`.
    drawn : Tensor
        int64 [m], uniform over the bank.
    constant : Tensor
        Scalar, Z > 0.
    """
    shift = math.log(len(drawn) / len(bank))  # of m · Pn
    own = (z * bank[indices]).sum(dim=1) / temperature - constant.log()  # log P, [B]
    others = z @ bank[drawn].T / temperature - constant.log()  # [B, m]
    # −log h = softplus(log(m·Pn) − log P), and −log(1 − h) = softplus(log P − log(m·Pn)).
    loss = F.softplus(shift - own) + F.softplus(others - shift).sum(dim=1)
    accuracy = (own.detach() > others.detach().amax(dim=1)).float().mean()
    return Objective(loss.mean(), accuracy)
