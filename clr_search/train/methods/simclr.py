"""SimCLR: two views of each picture find each other among all views of the batch."""

from __future__ import annotations

import torch
from torch import nn

from clr_search.train.augment import apply, draw
from clr_search.train.config import ResolvedConfig
from clr_search.train.data import Batch
from clr_search.train.losses import Objective, nt_xent
from clr_search.train.model import build_encoder, build_head


class SimCLR:
    """Algorithm 1 of the paper.

    Parameters
    ----------
    config : ResolvedConfig
        Settings; the networks are initialised from its seed, and put on its device.
    """

    def __init__(self, config: ResolvedConfig) -> None:
        encoder = build_encoder(config)
        head = build_head(config, encoder.dimension)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.networks = nn.ModuleDict({"encoder": encoder, "head": head})
        self.networks.to(device=config.device, memory_format=layout)  # type: ignore[call-overload]
        self._config = config

    def objective(self, batch: Batch, generator: torch.Generator) -> Objective:
        """NT-Xent of the projections of two views of each picture."""
        config = self._config
        draws = draw(batch.aspects.repeat(2), config.augmentation, generator)
        views = apply(batch.pixels, draws, config.augmentation, config.image_size)
        with torch.autocast(views.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            z = self.networks["head"](self.networks["encoder"](views))
        z1, z2 = z.float().chunk(2)
        return nt_xent(z1, z2, config.temperature)
