"""Whether tensors are those of a network, found out before memory is taken for the network.

Weights may be a stranger's, and say that their network is of any size: a projection head of 65,536
by 65,536 takes 17 GB, which its file of a megabyte does not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from clr_search.train.network.model import build_encoder, build_head
from clr_search.train.settings.config import TrainConfig

_SHOWN = 8  # dimensions of a wrong tensor that are told


def require_fit(sizes: Mapping[str, Sequence[int]], config: TrainConfig) -> None:
    """Refuse tensors that are not those of the encoder f and the head g of these settings.

    Parameters
    ----------
    sizes : mapping of str to sequence of int
        The shape of each tensor, by its name in `weights.safetensors`. Further ones do no harm.
    config : TrainConfig
        The settings that describe the network. No memory is taken for it.

    Raises
    ------
    ValueError
        Names the first tensor that is missing, or of another shape.

    Examples
    --------
    >>> require_fit({}, TrainConfig(image_size=32, width=0.25))
    Traceback (most recent call last):
        ...
    ValueError: encoder.stem.0.weight is missing
    """
    with torch.device("meta"):
        encoder = build_encoder(config)
        head = build_head(config, encoder.dimension)
    for name, tensor in nn.ModuleDict({"encoder": encoder, "head": head}).state_dict().items():
        if name not in sizes:
            raise ValueError(f"{name} is missing")
        if list(sizes[name]) != list(tensor.shape):
            told = " x ".join(map(str, sizes[name][:_SHOWN]))
            wanted = " x ".join(map(str, tensor.shape))
            raise ValueError(f"{name} is {told or 'one number'}, not {wanted or 'one number'}")
