"""What is printed before a training begins: a summary of its settings, and warnings."""

from __future__ import annotations

from clr_search.train.methods.network import cut
from clr_search.train.settings.choices import scaled_learning_rate
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.model import taught_alone
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm

FEW_IMAGES = 500
"""Number of images below which contrastive learning has little to learn from."""


def summary(config: ResolvedConfig, images_count: int) -> str:
    """The settings that matter most, in one line.

    Parameters
    ----------
    config : ResolvedConfig
        The settings.
    images_count : int
        Number of usable images.
    """
    parts = [
        f"{images_count:,} images at {config.image_size} px"
        + (f" and {config.local_views} × {config.local_size} px" if config.local_views else ""),
        network(config),
        _loss(config),
        f"batch {config.batch_size:,}"
        + (f" in parts of {config.micro_batch:,}" if config.micro_batch else ""),
        f"{config.optimizer} at {config.learning_rate:.3g}"
        + (f", × {config.encoder_rate:g} for the encoder" if config.encoder_rate != 1 else "")
        + ("" if config.average is None else f", averaged by {config.average:g}"),
        f"colour strength {config.augmentation.strength:g}"
        + (", blur" if config.augmentation.blur else ", no blur"),
        f"{config.epochs:,} epoch{'' if config.epochs == 1 else 's'}",
        f"{config.precision} on {config.device}",
    ]
    return " · ".join(parts)


def network(config: ResolvedConfig) -> str:
    """The network in a phrase."""
    if of_timm(config.architecture):
        return config.architecture
    return f"{config.architecture} width {config.width:g}, {config.stem} stem"


def _loss(config: ResolvedConfig) -> str:
    """The loss with its temperature or margin, or the name of the method."""
    if config.method == "supervised":
        return "supervised"
    if config.teacher is not None:
        weight = config.teacher_weight
        beside = "" if taught_alone(config) else f", {weight:g}, beside {config.loss}"
        return f"distillation{beside}"
    if config.loss.startswith("margin"):
        return f"{config.loss}, {config.margin:g}"
    name = config.loss if config.method == "simclr" else config.method
    return f"{name}, temperature {config.temperature:g}"


def warnings(requested: TrainConfig, config: ResolvedConfig, images_count: int) -> list[str]:
    """Warnings of settings that commonly spoil a training, each with a remedy.

    Parameters
    ----------
    requested : TrainConfig
        The settings as asked for.
    config : ResolvedConfig
        The same settings with all defaults chosen.
    images_count : int
        Number of usable images.

    Returns
    -------
    list of str
        One or two sentences each; empty if nothing is unusual.
    """
    texts = []
    if requested.batch_size is not None and requested.batch_size > images_count:
        texts.append(
            f"The batch of {requested.batch_size:,} is larger than the collection: it is "
            f"{config.batch_size:,} now."
        )
    if images_count < FEW_IMAGES:
        texts.append(
            f"{images_count:,} images are few to learn from; some thousands teach much more."
        )
    contrastive = config.method == "simclr" and config.loss in ("nt-xent", "dcl")
    contrastive = contrastive and not taught_alone(config)
    if contrastive and config.normalise and not 0.03 <= config.temperature <= 1:
        texts.append(
            f"A temperature of {config.temperature:g} is far from what works with cosines: 0.05 to "
            "0.5 (SimCLR, Table 5)."
        )
    usual = scaled_learning_rate(config.optimizer, config.batch_size, config.scaling)
    ratio = config.learning_rate / usual
    if not 1 / 32 <= ratio <= 32:
        texts.append(
            f"The learning rate {config.learning_rate:.3g} is far from the usual {usual:.3g} of "
            f"{config.optimizer} at batch {config.batch_size:,}: was it meant for another batch?"
        )
    smallest = min(part.stop - part.start for part in cut(config.batch_size, config.micro_batch))
    if config.norm == "batch" and smallest < 16:
        texts.append(
            "Batch normalisation over fewer than 16 images is noisy: take larger parts, or "
            "--norm group."
        )
    return texts
