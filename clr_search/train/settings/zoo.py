"""Networks that are not ours: their names, and the settings that they have no use for."""

from __future__ import annotations

from typing import get_args

from clr_search.errors import UsageError
from clr_search.train.settings.model import ModelSettings
from clr_search.train.settings.names import Architecture

TIMM = "timm:"
"""What the name of a network of timm begins with."""

OF_RESNETS = ("width", "norm")
"""Settings of our ResNets, for which a network of timm has no use; the stem is another one."""


def of_timm(architecture: str) -> bool:
    """Whether a network is one of timm.

    Examples
    --------
    >>> of_timm("timm:vit_tiny_patch16_224"), of_timm("resnet18")
    (True, False)
    """
    return architecture.startswith(TIMM)


def check_network(config: ModelSettings) -> None:
    """Refuse networks that are unknown, and settings that a network has no use for.

    Raises
    ------
    UsageError
        Names the setting, and what may be chosen instead.
    """
    name = config.architecture
    if not of_timm(name):
        if name not in get_args(Architecture):
            known = ", ".join(get_args(Architecture))
            raise UsageError(f"architecture is {name!r}.", f"Choose one of: {known}, or timm:NAME.")
        if config.drop_path:
            raise UsageError(
                f"drop_path is {config.drop_path:g}, for which {name} has no use.",
                "Leave it out, or take a network of timm.",
            )
        return
    for setting in OF_RESNETS:
        value, usual = getattr(config, setting), getattr(ModelSettings(), setting)
        if value != usual:
            raise UsageError(
                f"{setting} is {value}, for which {name} has no use.",
                "Leave it out: it is of our own ResNets.",
            )
    for setting in ("grow_from", "local_views"):
        if getattr(config, setting):
            raise UsageError(
                f"{setting} is {getattr(config, setting)}, and {name} is trained on pictures of "
                "one size.",
                "Leave it out, or take one of our own ResNets.",
            )
