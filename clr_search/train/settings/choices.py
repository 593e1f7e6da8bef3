"""What is chosen where a setting was left open: from the collection, the machine and the papers.

"§", "Table" and appendices refer to SimCLR, arXiv 2002.05709. Like `config`, this imports no torch
before something is to be resolved.
"""

from __future__ import annotations

import math
from dataclasses import fields

from clr_search.errors import UsageError
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Cache, Head, OptimizerName, Scaling, Stem
from clr_search.train.settings.resolved import ResolvedConfig

MIN_IMAGES = 8
"""Fewest usable images: contrasting needs something to contrast with."""

DEFAULT_EPOCHS = 100
"""Where neither epochs nor seconds are given: the shortest training of Table B.1."""


def resolve(
    config: TrainConfig, images_count: int, picture_side: int | None = None
) -> ResolvedConfig:
    """Choose all that was left open.

    Parameters
    ----------
    config : TrainConfig
        What was asked for; its `epochs` must be set where `seconds` is.
    images_count : int
        Usable images of the collection.
    picture_side : int, optional
        Typical length of their shorter sides in pixels.

    Raises
    ------
    UsageError
        If the images are too few, or the device is not there.
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
        or scaled_learning_rate(optimizer, batch_size, config.scaling),
        "weight_decay": _weight_decay(optimizer, config.image_size)
        if config.weight_decay is None
        else config.weight_decay,
        "warmup_epochs": min(10.0, epochs / 10)
        if config.warmup_epochs is None
        else config.warmup_epochs,
        "augmentation": config.augmentation or augmentation_for(config.image_size),
        "precision": choose_precision(config.precision, device),
        "knn_every": math.ceil(epochs / 5) if config.knn_every is None else config.knn_every,
        "device": device,
        "cache": _cache_for(config, images_count, cache_size),
        "cache_size": cache_size,
    }
    asked = {item.name: getattr(config, item.name) for item in fields(TrainConfig)}
    return ResolvedConfig(**(asked | chosen))


def stem_for(config: TrainConfig) -> Stem:
    """The stem for the image size, unless one was asked for.

    The ImageNet stem divides the side by 4 before the first block, which on small pictures leaves
    nothing to look at: CIFAR-10 falls to 76.5 % with it.
    """
    if config.stem != "auto":
        return config.stem
    return (
        "cifar" if config.image_size <= 48 else "middle" if config.image_size <= 96 else "imagenet"
    )


def head_for(config: TrainConfig) -> Head:
    """The projection head, unless one was asked for: the best of Fig. 8; a classifier needs none.

    Raises
    ------
    UsageError
        If supervised training is to have one.
    """
    if config.head == "auto":
        return "none" if config.method == "supervised" else "nonlinear"
    if config.method == "supervised" and config.head != "none":
        raise UsageError(
            "Supervised training has no projection head: its classifier works on h.",
            "Leave out --head.",
        )
    return config.head


def augmentation_for(image_size: int) -> Augmentation:
    """The paper's augmentation; for pictures of CIFAR's size that of B.9."""
    return Augmentation(strength=0.5, blur=0.0) if image_size <= 48 else Augmentation()


def scaled_learning_rate(optimizer: OptimizerName, batch_size: int, scaling: Scaling) -> float:
    """Peak learning rate for a batch size.

    LARS as in B.1. SGD: linear in B from 0.06 at 256, as in lightly's benchmark on Imagenette; on
    CIFAR-10 that one takes twice as much. AdamW: with the square root of B from 1e-3 at 256.
    """
    if optimizer == "lars":
        return 0.075 * math.sqrt(batch_size) if scaling == "sqrt" else 0.3 * batch_size / 256
    if optimizer == "sgd":
        return 0.06 * batch_size / 256
    return 1e-3 * math.sqrt(batch_size / 256)


def demo_config(*, seconds: float = 60.0, seed: int = 0) -> TrainConfig:
    """Settings that learn most from about a thousand pictures in about a minute on two cores.

    Found on the demo's swatches, 15 epochs each; R@1 of the untrained network is 7 %. The paper's
    settings (crops from 8 % of the area, strength 1, blur, τ 0.1) are for hundreds of epochs: here
    they reach 12 %, crops from 30 % 16 %, with τ 0.2 and batch 128 21 %, with strength 0.5 and no
    blur, batch 64, 36 %, and with crops from 50 % and twice the learning rate 47 %. Small batches
    win because they give more steps.
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


def _weight_decay(optimizer: OptimizerName, image_size: int) -> float:
    if optimizer == "adamw":
        return 1e-2
    return 1e-4 if image_size <= 48 else 1e-6


def _cache_size(image_size: int, picture_side: int | None) -> int:
    most = round(1.5 * image_size)
    return most if picture_side is None else max(image_size, min(most, picture_side))


def _cache_for(config: TrainConfig, images_count: int, cache_size: int) -> Cache:
    if config.cache != "auto":
        return config.cache
    fits = images_count * cache_size**2 * 3 <= config.cache_gigabytes * 1e9
    return "memory" if fits else "mmap"
