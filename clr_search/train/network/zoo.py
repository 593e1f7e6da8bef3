"""Networks of timm as encoders f, convolutional and transformers, with random weights or its own.

A network is made for pictures of one size, which a transformer needs for its positions.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import torch
from torch import Tensor, nn

from clr_search.errors import UsageError, reason_of, require, shortened
from clr_search.train.network.backbone import Backbone
from clr_search.train.settings.zoo import TIMM


class TimmEncoder(Backbone):
    """A network of timm without its classifier, behind its own mean and standard deviation.

    Parameters
    ----------
    architecture : str
        "timm:" and the name.
    image_size : int
        S, the side in pixels of the pictures.
    drop_path : float
        Probability with which the deepest residual branch is left out in training; lower ones less.
    pretrained : bool
        Whether timm is to load its weights.

    Attributes
    ----------
    dimension : int
        D, length of h.

    Raises
    ------
    UsageError
        If timm has no such network, or none for pictures of this size.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        image_size: int,
        drop_path: float = 0.0,
        *,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.model = _made(architecture, image_size, drop_path, pretrained=pretrained)
        config = getattr(self.model, "pretrained_cfg", None) or {}
        for name in ("mean", "std"):
            values = torch.tensor(config[name], dtype=torch.float32).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.dimension = self._measured(architecture, image_size)

    def forward(self, images: Tensor) -> Tensor:
        """Compute h, float32 [N, D], of images, float32 [N, 3, S, S] in [0, 1]."""
        return cast(Tensor, self.model((images - self.mean) / self.std))

    def _measured(self, architecture: str, image_size: int) -> int:
        """The length of h, which networks of timm state in different ways."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                h = self(torch.zeros(1, 3, image_size, image_size))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise _refused(f"{architecture} for pictures of {image_size} pixels", error) from error
        finally:
            self.train(training)
        if h.ndim != 2:
            raise UsageError(
                f"{architecture} gives {tuple(h.shape)} for a picture, which is no vector.",
                "Take another network.",
            )
        return int(h.shape[1])


def _made(architecture: str, image_size: int, drop_path: float, *, pretrained: bool) -> nn.Module:
    timm: Any = require("timm", "timm")
    name = architecture.removeprefix(TIMM)
    asked: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0}
    if drop_path:
        asked["drop_path_rate"] = drop_path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that timm is about to change
        try:
            try:
                model = timm.create_model(name, img_size=image_size, **asked)
            except TypeError:  # a convolutional network, which takes any size
                model = timm.create_model(name, **asked)
        except Exception as error:  # of timm, and of what it loads weights with
            raise _refused(architecture, error) from error
    return cast(nn.Module, model)


def _refused(what: str, error: Exception) -> UsageError:
    return UsageError(
        f"{shortened(what)} cannot be made: {reason_of(error)}",
        "Check the name and --image-size; where its weights cannot be loaded from the network, "
        "give them by --init FILE.",
    )


def is_transformer(architecture: str) -> bool:
    """Whether a network of timm has tokens or positions, as transformers do.

    The network is made without any memory for its weights.

    Raises
    ------
    UsageError
        If timm has no such network.
    """
    timm: Any = require("timm", "timm")
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = timm.create_model(architecture.removeprefix(TIMM), num_classes=0)
    except Exception as error:
        raise _refused(architecture, error) from error
    return any(of_tokens(name) for name, _ in model.named_parameters())


def of_tokens(name: str) -> bool:
    """Whether a parameter is a token or a position, by its name.

    Examples
    --------
    >>> of_tokens("encoder.model.cls_token"), of_tokens("encoder.model.blocks.0.attn.qkv.weight")
    (True, False)
    """
    last = name.rpartition(".")[2]
    return last.endswith(("_token", "_tokens")) or "pos_embed" in last or "position" in last
