"""The values of settings that were left open, by the collection, the machine and the papers.

"§", "Table" and appendices refer to SimCLR, arXiv 2002.05709. Like `config`, this module imports no
torch; `resolve` does.
"""

from __future__ import annotations

import math
from dataclasses import fields

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.model import head_for, stem_for, taught_alone
from clr_search.train.settings.names import Cache, OptimizerName, Scaling
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm

MIN_IMAGES = 8
"""Least number of usable images: a contrastive loss needs negatives."""

DEFAULT_EPOCHS = 100
"""Number of epochs where neither epochs nor seconds are given: the shortest of Table B.1."""

_ENCODER_RATE = 0.02  # with weights of others; see bench/results/imported.md


def resolve(
    config: TrainConfig, images_count: int, picture_side: int | None = None
) -> ResolvedConfig:
    """Choose all settings that were left open.

    Parameters
    ----------
    config : TrainConfig
        The settings as asked for. If `seconds` is set, so must be `epochs`.
    images_count : int
        Number of usable images in the collection.
    picture_side : int, optional
        Typical length of the images' shorter sides, in pixels.

    Returns
    -------
    ResolvedConfig
        The same settings, with a value for each.

    Raises
    ------
    UsageError
        If there are too few images, or the device is not available.

    Examples
    --------
    >>> resolved = resolve(TrainConfig(image_size=32, device="cpu"), images_count=100)
    >>> resolved.stem, resolved.batch_size, resolved.epochs, resolved.learning_rate
    ('cifar', 100, 100, 0.000625)
    """
    if images_count < MIN_IMAGES:
        raise UsageError(
            f"Training needs at least {MIN_IMAGES} usable images; there are {images_count}.",
            "Give more images or folders.",
        )
    from clr_search.train.hardware import choose_device, choose_precision

    device = choose_device(config.device)
    batch_size = min(config.batch_size or 256, images_count)
    epochs = DEFAULT_EPOCHS if config.epochs is None else config.epochs
    optimizer = _optimizer_for(config)
    tokens = _has_tokens(config)
    wait = epochs * 2 / 15 if tokens else epochs / 10
    keeps = _keeps_what_others_taught(config)
    statistics = "fixed" if keeps else "batch"
    cache_size = config.cache_size or _cache_size(config.image_size, picture_side)
    chosen = {
        "stem": stem_for(config),
        "head": head_for(config),
        "local_size": (config.local_size or max(8, config.image_size // 2))
        if config.local_views
        else None,
        "batch_size": batch_size,
        "epochs": epochs,
        "optimizer": optimizer,
        "learning_rate": config.learning_rate
        or scaled_learning_rate(optimizer, batch_size, config.scaling) * (0.25 if tokens else 1),
        "statistics": statistics if config.statistics == "auto" else config.statistics,
        "encoder_rate": config.encoder_rate or (_ENCODER_RATE if keeps else 1.0),
        "weight_decay": _weight_decay(optimizer, config.image_size, tokens=tokens)
        if config.weight_decay is None
        else config.weight_decay,
        "warmup_epochs": min(40.0 if tokens else 10.0, wait)
        if config.warmup_epochs is None
        else config.warmup_epochs,
        "augmentation": config.augmentation or augmentation_for(config.image_size),
        "precision": choose_precision(config.precision, device),
        "knn_every": math.ceil(epochs / 5) if config.knn_every is None else config.knn_every,
        "drop_path": _drop_path(config, tokens=tokens),
        "device": device,
        "cache": _cache_for(config, images_count, cache_size),
        "cache_size": cache_size,
    }
    given = {item.name: getattr(config, item.name) for item in fields(TrainConfig)}
    return ResolvedConfig(**(given | chosen))


def augmentation_for(image_size: int) -> Augmentation:
    """The augmentation of the paper (appendix A); for images of CIFAR's size, that of B.9."""
    return Augmentation(strength=0.5, blur=0.0) if image_size <= 48 else Augmentation()


def scaled_learning_rate(optimizer: OptimizerName, batch_size: int, scaling: Scaling) -> float:
    """The peak learning rate for a batch of B images.

    LARS has the rates of B.1. SGD has 0.06 · B/256, as lightly's benchmark on Imagenette, which has
    twice as much on CIFAR-10. AdamW has 1e-3 · √(B/256).

    Parameters
    ----------
    optimizer : str
        "lars", "sgd" or "adamw".
    batch_size : int
        B.
    scaling : str
        How the rate of LARS grows with B: "sqrt" or "linear".

    Examples
    --------
    >>> scaled_learning_rate("lars", 4096, "sqrt"), scaled_learning_rate("sgd", 512, "sqrt")
    (4.8, 0.12)
    """
    if optimizer == "lars":
        return 0.075 * math.sqrt(batch_size) if scaling == "sqrt" else 0.3 * batch_size / 256
    if optimizer == "sgd":
        return 0.06 * batch_size / 256
    return 1e-3 * math.sqrt(batch_size / 256)


def demo_config(*, seconds: float = 60.0, seed: int = 0) -> TrainConfig:
    """The settings of the demo: a thousand drawn images, about a minute, two cores.

    They were chosen by the recall R@1 after 15 epochs on the swatches of the demo. The paper's
    settings (crops from 8 % of the area, strength 1, blur, τ 0.1) are for hundreds of epochs. Each
    row has the changes of those above it:

    ========================================  ====
    settings                                  R@1
    ========================================  ====
    untrained network                          7 %
    the paper's                               12 %
    crops from 30 % of the area               16 %
    τ 0.2, batch 128                          21 %
    strength 0.5, no blur, batch 64           36 %
    crops from 50 %, twice the learning rate  47 %
    ========================================  ====

    Small batches are better because they give more steps.

    Parameters
    ----------
    seconds : float
        Time for the training.
    seed : int
        Seed of the training.
    """
    return TrainConfig(
        seconds=seconds,
        seed=seed,
        width=0.25,
        stem="imagenet",
        batch_size=64,
        learning_rate=0.01,
        temperature=0.2,
        augmentation=Augmentation(
            crop_scale=(0.5, 1.0), crop_ratio=(1.0, 1.0), strength=0.5, blur=0.0
        ),
    )


def _optimizer_for(config: TrainConfig) -> OptimizerName:
    return "adamw" if config.optimizer == "auto" else config.optimizer


def _keeps_what_others_taught(config: TrainConfig) -> bool:
    """Whether the training is to change little of what the encoder has learned from others.

    Not so with labels or a teacher alone, which say themselves what is to be learned.
    """
    if config.init is None or config.method == "supervised" or taught_alone(config):
        return False
    from clr_search.train.network.initial import of_others

    return of_others(config.init)


def _weight_decay(optimizer: OptimizerName, image_size: int, *, tokens: bool) -> float:
    """1e-2 for AdamW, 0.05 of transformers, as DeiT has it.

    For the other optimizers 1e-6 (§2.2), or 1e-4 as the authors' README has for CIFAR.
    """
    if optimizer == "adamw":
        return 0.05 if tokens else 1e-2
    return 1e-4 if image_size <= 48 else 1e-6


def _has_tokens(config: TrainConfig) -> bool:
    """Whether the network is a transformer; refuses a stem for a network that is not ours."""
    if not of_timm(config.architecture):
        return False
    if config.stem != "auto":
        raise UsageError(
            f"stem is {config.stem}, for which {config.architecture} has no use.", "Leave it out."
        )
    from clr_search.train.network.zoo import is_transformer

    return is_transformer(config.architecture)


def _drop_path(config: TrainConfig, *, tokens: bool) -> float | None:
    """The stochastic depth that is set, or else that of DeiT for transformers."""
    if config.drop_path is not None or not of_timm(config.architecture):
        return config.drop_path
    return 0.1 if tokens else 0.0


def _cache_size(image_size: int, picture_side: int | None) -> int:
    """Side of the decoded images: their own, within 1 to 1.5 times the side of a view."""
    most = round(1.5 * image_size)
    return most if picture_side is None else max(image_size, min(most, picture_side))


def _cache_for(config: TrainConfig, images_count: int, cache_size: int) -> Cache:
    """The cache that is set, or else memory if it suffices for the decoded images."""
    if config.cache != "auto":
        return config.cache
    fits = images_count * cache_size**2 * 3 <= config.cache_gigabytes * 1e9
    return "memory" if fits else "mmap"
