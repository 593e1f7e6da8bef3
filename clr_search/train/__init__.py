"""Stage 1, train: a folder of unlabelled images becomes a run, by SimCLR (arXiv 2002.05709).

`TrainConfig` loads no torch, so that a command line can show its defaults at once; the other names
are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clr_search.train.loop import TrainResult as TrainResult
    from clr_search.train.loop import train as train
    from clr_search.train.run import Run as Run
    from clr_search.train.run import load_run as load_run
    from clr_search.train.run import write_initial_run as write_initial_run
    from clr_search.train.settings.augmentation import Augmentation as Augmentation
    from clr_search.train.settings.choices import demo_config as demo_config
    from clr_search.train.settings.config import TrainConfig as TrainConfig
    from clr_search.train.settings.resolved import ResolvedConfig as ResolvedConfig

_HOMES = {
    "Augmentation": "settings.augmentation",
    "ResolvedConfig": "settings.resolved",
    "Run": "run",
    "TrainConfig": "settings.config",
    "TrainResult": "loop",
    "demo_config": "settings.choices",
    "load_run": "run",
    "train": "loop",
    "write_initial_run": "run",
}

__all__ = [
    "Augmentation",
    "ResolvedConfig",
    "Run",
    "TrainConfig",
    "TrainResult",
    "demo_config",
    "load_run",
    "train",
    "write_initial_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
