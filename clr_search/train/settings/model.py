"""What is learned: the settings of the method and its loss, of the views, and of the network.

`TrainConfig` continues the list with how it is learned. "§", "Table" and appendices refer to
SimCLR, arXiv 2002.05709.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clr_search.errors import UsageError
from clr_search.train.settings.declaration import documented, setting, settings_of
from clr_search.train.settings.names import (
    Auto,
    Head,
    LossName,
    MethodName,
    Norm,
    Statistics,
    Stem,
)


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The settings that decide what is learned, and by which network."""

    method: MethodName = setting(
        "simclr",
        "How the encoder learns: by comparing two views of each image (simclr), by comparing views "
        "with a memory bank (instdisc), or from folders as classes (supervised).",
        details="InstDisc (arXiv 1805.01978) is the method that SimCLR overtook. Supervised "
        "training, by cross entropy on the folders' names, is the benchmark of §6.",
        group="Method",
        option="--method",
    )
    loss: LossName = setting(
        "nt-xent",
        "The loss that SimCLR minimises.",
        details="dcl is from arXiv 2110.06848, the others are those of Table 4.",
        group="Loss",
        method="simclr",
        option="--loss",
    )
    margin: float = setting(
        0.4,
        "Margin m of the two margin losses.",
        group="Loss",
        bounds=(0.0, 1e3),
        option="--margin",
    )
    normalise: bool = setting(
        True,
        "Similarity of projections: their cosine, or with --no-l2 their dot product.",
        details="Table 5 compares both.",
        group="Loss",
        method="simclr",
        option="--no-l2",
    )
    negatives: int = setting(
        0,
        "For instdisc: number of images that noise-contrastive estimation (NCE) draws in a step.",
        default_text="the softmax over all images",
        group="Loss",
        bounds=(0, 2**30),
        method="instdisc",
        option="--negatives",
    )
    init: str | None = setting(
        None,
        "Start from trained weights: default (the encoder that comes with the package), the folder "
        "of a run, or a weights.safetensors file; or weights of others: timm:NAME, "
        "torchvision:resnet18 (34, 50), or a .pth or .safetensors file of the --architecture.",
        default_text="random weights",
        group="Method",
        option="--init",
        metavar="WEIGHTS",
    )
    teacher: str | None = setting(
        None,
        "Distil: learn the geometry of this encoder.onnx, or of the encoder that comes with the "
        "package (default), on pictures without labels.",
        details="Cosine regression on its vectors, and similarity distillation over drawn pictures "
        "(SEED, arXiv 2101.04731).",
        default_text="no teacher",
        group="Method",
        method="simclr",
        option="--teacher",
        metavar="ENCODER",
    )
    teacher_weight: float = setting(
        1.0,
        "Weight w of the teacher; SimCLR has the rest, 1 − w, which at 1 is none.",
        group="Method",
        bounds=(1e-3, 1.0),
        method="simclr",
        option="--teacher-weight",
    )
    architecture: str = setting(
        "resnet18",
        "The network that is trained: resnet18, resnet34, resnet50, or timm:NAME, a convolutional "
        "network or a transformer of timm (extra timm).",
        group="Network",
        option="--architecture",
        metavar="NETWORK",
    )
    drop_path: float | None = setting(
        None,
        "Probability with which a network of timm leaves out its deepest residual branch in "
        "training (stochastic depth).",
        details="0.1 is that of DeiT (arXiv 2012.12877).",
        default_text="0.1 for transformers, else 0",
        group="Network",
        bounds=(0.0, 0.9),
        option="--drop-path",
    )
    width: float = setting(
        1.0,
        "Multiplier of the network's channels: 0.25, 0.5, 1, 2 or 4.",
        details="The paper has 1, 2 and 4 (§5); less is for processors without a GPU.",
        group="Network",
        choices=(0.25, 0.5, 1.0, 2.0, 4.0),
        option="--width",
    )
    stem: Auto | Stem = setting(
        "auto",
        "The first layers of the network.",
        details="cifar: a 3×3 convolution and no pooling, as on CIFAR-10 (B.9). middle: the same "
        "with stride 2. imagenet: a 7×7 convolution with stride 2, and max-pooling.",
        default_text="cifar up to 48 pixels, middle up to 96, imagenet above",
        group="Network",
    )
    norm: Norm = setting(
        "batch",
        "Normalisation in the network; with group, no image depends on the others in its batch.",
        group="Network",
        option="--norm",
    )
    statistics: Auto | Statistics = setting(
        "auto",
        "Mean and variance that batch normalisation in the encoder takes: those of each batch, or "
        "fixed, those that the initial weights came with.",
        details="Statistics of one collection take from a network what it knew of others.",
        default_text="fixed with initial weights of others, else batch",
        group="Network",
        option="--statistics",
        option_choices=("batch", "fixed"),
    )
    image_size: int = setting(
        64,
        "Side, in pixels, of the square image that the network sees.",
        details="The paper has 224; 64 is what a processor without a GPU can train on.",
        bounds=(8, 4096),
        option="--image-size",
    )
    grow_from: int | None = setting(
        None,
        "Start with views of this side, in pixels, and let them grow to --image-size, so that the "
        "first epochs take less time.",
        default_text="--image-size throughout",
        bounds=(8, "image_size"),
        option="--grow-from",
    )
    local_views: int = setting(
        0,
        "Multi-crop: number of further views of small parts of each image, which are compared with "
        "its two full views.",
        details="For nt-xent and dcl.",
        default_text="none",
        bounds=(0, 64),
        method="simclr",
        option="--local-views",
    )
    local_size: int | None = setting(
        None,
        "Side of the local views, in pixels.",
        default_text="half of --image-size",
        bounds=(8, "image_size"),
        option="--local-size",
    )
    head: Auto | Head = setting(
        "auto",
        "The projection head, which is used in training only.",
        details="nonlinear has two layers and is the best of Fig. 8; supervised training has none.",
        default_text="nonlinear",
        group="Network",
        option="--head",
        option_choices=("nonlinear", "linear", "none"),
    )
    head_dim: int = setting(
        128,
        "Length of the projection z that the head puts out.",
        details="The default is that of §2.1.",
        group="Network",
        bounds=(1, 65536),
    )
    head_hidden: int | None = setting(
        None,
        "Width of the hidden layer of the nonlinear projection head.",
        default_text="the length of the network's output",
        group="Network",
        bounds=(1, 65536),
        option="--head-hidden",
    )
    temperature: float = setting(
        0.1,
        "Temperature τ of the loss; the lower it is, the more the most similar negatives count.",
        details="0.1 is best in Table 5, 0.5 on CIFAR-10 (B.9).",
        group="Loss",
        bounds=(1e-3, 1e3),
        option="--temperature",
    )


def check_local_views(config: ModelSettings) -> None:
    """Refuse local views for a loss without them, and a size of local views without any.

    Raises
    ------
    UsageError
        Names the setting, and what to leave out or to give as well.
    """
    if config.local_views and config.loss not in ("nt-xent", "dcl"):
        raise UsageError(
            f"Local views are for nt-xent and dcl, and the loss is {config.loss}.",
            "Leave out --local-views, or take another --loss.",
        )
    if config.local_size is not None and not config.local_views:
        raise UsageError(
            f"local_size is {config.local_size}, and there are no local views.",
            "Give --local-views, too.",
        )


OF_SIMCLR = (
    "loss",
    "margin",
    "normalise",
    "temperature",
    "local_views",
    "local_size",
    "head",
    "head_dim",
    "head_hidden",
    "patience",
)
"""Settings of SimCLR's loss and its head, for which a teacher alone has no use."""


def taught_alone(config: ModelSettings) -> bool:
    """Whether a teacher alone says what is learned, without SimCLR."""
    return config.teacher is not None and config.teacher_weight == 1


def stem_for(config: ModelSettings) -> Stem:
    """The stem that is set, or else the one for the image size.

    The ImageNet stem divides the side by 4 before the first block, which leaves small images
    without detail: on CIFAR-10, accuracy falls to 76.5 % with it.
    """
    if config.stem != "auto":
        return config.stem
    return (
        "cifar" if config.image_size <= 48 else "middle" if config.image_size <= 96 else "imagenet"
    )


def head_for(config: ModelSettings) -> Head:
    """The projection head that is set, or else "nonlinear", the best of Fig. 8.

    Supervised training has no head, because its classifier works on h; nor has a teacher alone.

    Raises
    ------
    UsageError
        If a head is set for supervised training.
    """
    if config.head == "auto":
        without = config.method == "supervised" or taught_alone(config)
        return "none" if without else "nonlinear"
    if config.method == "supervised" and config.head != "none":
        raise UsageError(
            "Supervised training has no projection head: its classifier works on h.",
            "Leave out --head.",
        )
    return config.head


def check_teacher(config: ModelSettings) -> None:
    """Refuse a weight without a teacher, and settings of SimCLR beside a teacher alone.

    Raises
    ------
    UsageError
        Names the setting, and what to leave out or to give as well.
    """
    if config.teacher is None and config.teacher_weight != 1:
        raise UsageError(
            f"teacher_weight is {config.teacher_weight:g}, and there is no teacher.",
            "Give --teacher, too.",
        )
    if not taught_alone(config):
        return
    declaring: Any = type(config)
    for declared in settings_of(declaring):
        value = getattr(config, declared.name)
        usual = (declared.default, "none") if declared.name == "head" else (declared.default,)
        if declared.name in OF_SIMCLR and value not in usual:
            raise UsageError(
                f"{declared.name} is {value}, for which a teacher alone has no use.",
                "Leave it out, or let SimCLR learn beside it: --teacher-weight 0.5",
            )
