"""Instance discrimination (Wu et al. 2018, arXiv 1805.01978), the earlier method SimCLR overtook.

Every image is a class of its own. A memory bank keeps a unit vector v_i for each image, a moving
average of its projections; a view of image i is classified by its similarity to all vectors. "§"
and "equation" refer to that paper. Its proximal regularisation, which other optimizers need, is
left out.
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
"""Share of the old vector in an update of the bank, as in the authors' code."""


class MemoryBank(nn.Module):
    """A unit vector for each image; a module, so that checkpoints keep it.

    Parameters
    ----------
    count, dimension : int
        Number N of images, and length d of their vectors.
    generator : torch.Generator
        Source of the random unit vectors that the bank starts with.

    Attributes
    ----------
    vectors : Tensor
        float32 [N, d], rows of unit length.
    constant : Tensor
        Scalar: the normalisation constant Z of NCE (equation 7); 0 until it is estimated.
    """

    vectors: Tensor
    constant: Tensor

    def __init__(self, count: int, dimension: int, generator: torch.Generator) -> None:
        super().__init__()
        start = F.normalize(torch.randn(count, dimension, generator=generator), dim=1)
        self.register_buffer("vectors", start)
        self.register_buffer("constant", torch.zeros(()))

    @torch.no_grad()
    def update(self, indices: Tensor, z: Tensor) -> None:
        """Move the vectors of some images towards their new projections.

        Parameters
        ----------
        indices : Tensor
            int64 [B]: numbers of the images.
        z : Tensor
            float32 [B, d], rows of unit length: their new projections.
        """
        mixed = self.vectors[indices] * MOMENTUM + z * (1 - MOMENTUM)
        self.vectors[indices] = F.normalize(mixed, dim=1)


class InstDisc:
    """Instance discrimination, over one view of each image in a step.

    Parameters
    ----------
    config : ResolvedConfig
        Settings. With `negatives` = 0 the loss is the full softmax, else NCE.
    count : int
        Number of images in the collection.
    """

    def __init__(self, config: ResolvedConfig, count: int) -> None:
        dimension = config.head_dim
        if config.head == "none":
            dimension = build_encoder(config).dimension
        bank = MemoryBank(count, dimension, generator_for(config.seed, "bank"))
        self.networks = build_networks(config, bank=bank)
        self._bank = bank
        self._config = config
        self._estimated = False  # whether Z, the constant of NCE, has been estimated

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of the loss, then update the vectors of the batch's images."""
        config, count = self._config, len(batch.aspects)
        draws = draw(batch.aspects, config.augmentation, generator)
        noise = torch.randint(len(self._bank.vectors), (config.negatives,), generator=generator)
        device = batch.pixels.device
        indices, noise = sent(batch.indices, device), sent(noise, device)
        loss = accuracy = torch.zeros((), device=device)
        projections = []
        for part in parts_of(batch, config):
            z = F.normalize(project(self.networks, batch, part, draws, config)[0], dim=1)
            objective = self._objective(z, indices[batch.share][part], noise)
            share = len(z) / count
            (objective.loss * share).backward()  # type: ignore[no-untyped-call]
            loss = loss + objective.loss.detach() * share
            accuracy = accuracy + objective.accuracy * share
            projections.append(z.detach())
        self._bank.update(indices, gather(torch.cat(projections)))
        return Objective(total(loss), total(accuracy))

    def _objective(self, z: Tensor, indices: Tensor, noise: Tensor) -> Objective:
        temperature = self._config.temperature
        if not self._config.negatives:
            return full_softmax(z, self._bank.vectors, indices, temperature)
        # The constant is read from the device until it is set, and never again.
        self._estimated = self._estimated or bool(self._bank.constant)
        if not self._estimated:
            with torch.no_grad():  # equation 7, on the first batch; constant from then on
                weights = (z @ self._bank.vectors[noise].T / temperature).exp()  # [n, m]
                mean = total(weights.mean()) / world().size
                self._bank.constant.fill_(mean * len(self._bank.vectors))
        return noise_contrastive(
            z, self._bank.vectors, indices, noise, temperature, self._bank.constant
        )


def full_softmax(z: Tensor, bank: Tensor, indices: Tensor, temperature: float) -> Objective:
    """Cross entropy of picking an image's own vector among those of all images (equation 2).

    Parameters
    ----------
    z : Tensor
        float32 [B, d], rows of unit length.
    bank : Tensor
        float32 [N, d], rows of unit length.
    indices : Tensor
        int64 [B]: the image of each row of `z`.
    temperature : float
        τ > 0; 0.07 in the paper.

    Returns
    -------
    Objective
        The loss, and the share of views whose most similar vector is their own.
    """
    logits = z @ bank.T / temperature  # [B, N]
    accuracy = (logits.detach().argmax(dim=1) == indices).float().mean()
    return Objective(F.cross_entropy(logits, indices), accuracy)


def noise_contrastive(
    z: Tensor, bank: Tensor, indices: Tensor, noise: Tensor, temperature: float, constant: Tensor
) -> Objective:
    """Noise-contrastive estimation: classify data against m noise samples (§3.2, equations 4 to 6).

    With P(i|z) = exp(v_i·z/τ)/Z and h = P/(P + m/N), the loss of a view is −log h of its own
    vector, plus the sum of −log(1 − h) over the noise samples. All views of a batch share the
    samples, so that memory does not grow with m times B.

    Parameters
    ----------
    z : Tensor
        float32 [B, d], rows of unit length.
    bank : Tensor
        float32 [N, d], rows of unit length.
    indices : Tensor
        int64 [B]: the image of each row of `z`.
    noise : Tensor
        int64 [m]: numbers of images, drawn uniformly.
    temperature : float
        τ > 0.
    constant : Tensor
        Scalar: Z > 0.

    Returns
    -------
    Objective
        The loss, and the share of views more similar to their own vector than to all samples.
    """
    log_noise = math.log(len(noise) / len(bank))  # log(m·Pn), Pn being uniform
    own = (z * bank[indices]).sum(dim=1) / temperature - constant.log()  # log P, [B]
    others = z @ bank[noise].T / temperature - constant.log()  # log P, [B, m]
    # −log h = softplus(log(m·Pn) − log P), and −log(1 − h) = softplus(log P − log(m·Pn)).
    loss = F.softplus(log_noise - own) + F.softplus(others - log_noise).sum(dim=1)  # [B]
    accuracy = (own.detach() > others.detach().amax(dim=1)).float().mean()
    return Objective(loss.mean(), accuracy)
