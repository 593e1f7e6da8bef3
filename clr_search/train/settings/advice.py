"""What is said before a training begins: what was chosen, and where people go wrong."""

from __future__ import annotations

from clr_search.train.methods.network import cut
from clr_search.train.settings.choices import scaled_learning_rate
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig

FEW_IMAGES = 500
"""Below so many pictures, contrastive learning has little to learn from."""


def summary(config: ResolvedConfig, images_count: int) -> str:
    """The settings that matter most, in one line."""
    parts = [
        f"{images_count:,} images at {config.image_size} px"
        + (f" and {config.local_views} × {config.local_size} px" if config.local_views else ""),
        f"{config.architecture} width {config.width:g}, {config.stem} stem",
        _aim(config),
        f"batch {config.batch_size:,}"
        + (f" in parts of {config.micro_batch:,}" if config.micro_batch else ""),
        f"{config.optimizer} at {config.learning_rate:.3g}"
        + ("" if config.average is None else f", averaged by {config.average:g}"),
        f"colour strength {config.augmentation.strength:g}"
        + (", blur" if config.augmentation.blur else ", no blur"),
        f"{config.epochs:,} epoch{'' if config.epochs == 1 else 's'}",
        f"{config.precision} on {config.device}",
    ]
    return " · ".join(parts)


def _aim(config: ResolvedConfig) -> str:
    """What is minimised, with its number."""
    if config.method == "supervised":
        return "supervised"
    if config.loss.startswith("margin"):
        return f"{config.loss}, {config.margin:g}"
    name = config.loss if config.method == "simclr" else config.method
    return f"{name}, temperature {config.temperature:g}"


def warnings(asked: TrainConfig, config: ResolvedConfig, images_count: int) -> list[str]:
    """Settings that commonly spoil a training, each with a remedy.

    Parameters
    ----------
    asked : TrainConfig
        As given.
    config : ResolvedConfig
        What became of it.
    images_count : int
        Usable images.
    """
    found = []
    if asked.batch_size is not None and asked.batch_size > images_count:
        found.append(
            f"The batch of {asked.batch_size:,} is larger than the collection: it is "
            f"{config.batch_size:,} now."
        )
    if images_count < FEW_IMAGES:
        found.append(
            f"{images_count:,} images are few to learn from; some thousands teach much more."
        )
    contrastive = config.method == "simclr" and config.loss in ("nt-xent", "dcl")
    if contrastive and config.normalise and not 0.03 <= config.temperature <= 1:
        found.append(
            f"A temperature of {config.temperature:g} is far from what works with cosines: 0.05 to "
            "0.5 (SimCLR, Table 5)."
        )
    usual = scaled_learning_rate(config.optimizer, config.batch_size, config.scaling)
    ratio = config.learning_rate / usual
    if not 1 / 32 <= ratio <= 32:
        found.append(
            f"The learning rate {config.learning_rate:.3g} is far from the usual {usual:.3g} of "
            f"{config.optimizer} at batch {config.batch_size:,}: was it meant for another batch?"
        )
    smallest = min(part.stop - part.start for part in cut(config.batch_size, config.micro_batch))
    if config.norm == "batch" and smallest < 16:
        found.append(
            "Batch normalisation over fewer than 16 images is noisy: take larger parts, or "
            "--norm group."
        )
    return found
