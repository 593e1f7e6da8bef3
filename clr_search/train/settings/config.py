"""Every setting of training, its default and where the default comes from.

"§" and "Table" refer to SimCLR, arXiv 2002.05709. A setting of None, or "auto", is chosen by
`choices.resolve` from the collection and the machine; what was chosen is what `config.json` says.

This module imports no torch, so that a command line can show the defaults at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, Self, get_args

from clr_search.errors import UsageError

MethodName = Literal["simclr", "instdisc", "supervised"]
LossName = Literal[
    "nt-xent", "dcl", "nt-logistic", "nt-logistic-semi-hard", "margin", "margin-semi-hard"
]
Architecture = Literal["resnet18", "resnet34", "resnet50"]
Norm = Literal["batch", "group"]
Stem = Literal["cifar", "middle", "imagenet"]
Head = Literal["nonlinear", "linear", "none"]
OptimizerName = Literal["lars", "sgd", "adamw"]
Scaling = Literal["sqrt", "linear"]
Precision = Literal["fp32", "bf16"]
Cache = Literal["memory", "mmap"]

OWNERS: dict[str, MethodName] = {
    "loss": "simclr",
    "normalise": "simclr",
    "local_views": "simclr",
    "negatives": "instdisc",
}
"""Settings that one method only looks at."""

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Width multipliers of the networks: 1, 2 and 4 as in §5; less for processors without a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to a picture to make a view of it; in this order (§3, appendix A).

    Attributes
    ----------
    crop_scale : (float, float)
        Share of the picture's area that a crop keeps, drawn uniformly.
    crop_ratio : (float, float)
        Aspect ratio, width to height, of the crop, drawn log-uniformly.
    flip : float
        Probability of a horizontal flip.
    jitter : float
        Probability of colour jitter.
    strength : float
        s: brightness, contrast and saturation vary by 0.8·s, hue by 0.2·s. 1 on ImageNet, 0.5 on
        CIFAR-10 (B.9).
    grey : float
        Probability of losing all colour.
    blur : float
        Probability of Gaussian blur; none on CIFAR-10 (B.9).
    blur_sigma : (float, float)
        Standard deviation of the blur in pixels, drawn uniformly.
    blur_kernel : float
        Kernel size as a share of the picture's side.
    local_scale : (float, float)
        `crop_scale` of local views; SwAV's (arXiv 2006.09882).
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    strength: float = 1.0
    grey: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: float = 0.1
    local_scale: tuple[float, float] = (0.05, 0.14)

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grey", "blur"):
            _within(name, getattr(self, name), 0.0, 1.0)
        # Hue turns by up to 0.2·s of the circle, and half a circle is everything.
        _within("strength", self.strength, 0.0, 2.5)
        _within("blur_kernel", self.blur_kernel, 0.0, 0.5)
        for name, least, most in (
            ("crop_scale", 1e-4, 1.0),
            ("local_scale", 1e-4, 1.0),
            ("crop_ratio", 0.05, 20.0),
            ("blur_sigma", 1e-3, 100.0),
        ):
            low, high = getattr(self, name)
            object.__setattr__(self, name, (float(low), float(high)))  # JSON has lists only
            _within(name, low, least, most)
            _within(name, high, low, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of training, as asked for.

    Attributes
    ----------
    method : str
        "simclr"; "instdisc", the instance discrimination with a memory bank that it overtook
        (arXiv 1805.01978); or "supervised", cross entropy on the folders' names, the benchmark it
        is held against (§6). See `methods`.
    loss : str
        What SimCLR minimises: "nt-xent", or another of Table 4; "dcl" of arXiv 2110.06848.
    margin : float
        m of the margin losses, on cosines.
    normalise : bool
        Whether SimCLR's similarities are cosines, or plain dot products (Table 5).
    negatives : int
        Of InstDisc: how many NCE draws for each picture; 0 for the full softmax.
    init : str or None
        Weights to begin with: "default", a run, or a `weights.safetensors`; see `initial`. None
        for random ones.
    architecture, width : str, float
        ResNet and the multiple of its channels (§5).
    stem : str
        "cifar": 3×3 convolution, no pooling, as on CIFAR-10 (B.9). "middle": the same with stride
        2. "imagenet": 7×7 with stride 2, and max-pooling. Auto: up to 48, up to 96 pixels, above.
    norm : str
        "batch", or "group": group normalisation, by which no picture depends on its batch.
    image_size : int
        S, side in pixels of the square that the network sees. The paper has 224; 64 is what a
        processor without a GPU can train on.
    grow_from : int or None
        Side of the views in the first epoch, from where it grows to S; see `schedule`. None for S
        throughout.
    local_views, local_size : int, int or None
        Of SimCLR: how many further views of small parts of each picture, and their side in pixels;
        see `multicrop`. Auto: half of S.
    head, head_dim : str, int
        Projection head g and the length of z = g(h), 128 (§2.1). Auto: two layers, the best of
        Fig. 8; none for supervised training.
    head_hidden : int or None
        Width of the hidden layer of a nonlinear head. None for that of h.
    temperature : float
        τ of NT-Xent; 0.1 is best in Table 5, 0.5 on CIFAR-10 (B.9).
    batch_size : int or None
        Images a step, each seen in two views. Auto: 256, or all images where there are fewer.
    micro_batch : int or None
        Images that pass through the network at once, at most, in memory that does not grow with
        `batch_size`; see `methods.cached`. None for all.
    epochs : int or None
        Passes over the images. Auto: from `seconds`, else 100 (Table B.1).
    seconds : float or None
        Instead of epochs: train for about so long.
    patience : int or None
        Stop after so many epochs without a lower loss on pictures that are held out, and keep the
        weights of the best one; see `heldout`. None to train on all pictures to the end.
    average : float or None
        Decay of an exponential moving average of the weights, 0.999 say, which is what is kept and
        measured; see `average`. None to keep the last weights.
    optimizer : str
        "lars" as in the paper, "sgd" or "adamw"; see `choices` for the automatic one.
    learning_rate : float or None
        Peak rate. Auto: see `choices.scaled_learning_rate`.
    scaling : str
        How LARS' rate grows with the batch size B (B.1): "sqrt" 0.075·√B, "linear" 0.3·B/256.
    weight_decay : float or None
        Auto: LARS and SGD 1e-6 (§2.2), on CIFAR-sized pictures 1e-4, as the README of the authors'
        code has it (B.9 keeps 1e-6); AdamW 1e-2.
    warmup_epochs : float or None
        Linear warm-up before the cosine. Auto: 10 (§2.2), and at most a tenth of all epochs.
    augmentation : Augmentation or None
        Auto: the paper's, for pictures up to 48 pixels that of B.9.
    precision : str
        "bf16" where device and processor compute in it, else "fp32".
    channels_last : bool
        Memory layout of the network's tensors; faster nearly everywhere.
    compile : bool
        Whether torch compiles the network; see `compiled`.
    knn_every : int or None
        Epochs between two measurements of kNN accuracy, and always after the last; 0 for never.
        Auto: five over the training.
    checkpoint_every, checkpoint_minutes : int, float
        A checkpoint is written every so many epochs, and in mid-epoch after so many minutes.
    seed : int
        All randomness follows from it.
    device : str
        "auto" takes CUDA where there is one; or any device name of torch, such as "cuda:1". Chosen
        anew when a run goes on.
    cache, cache_gigabytes : str, float
        Where decoded images lie: "memory", or "mmap", a file in the run's folder. Auto: in memory
        up to so many GB.
    cache_size : int or None
        R, side in pixels at which they are kept. Auto: that of the pictures, between S and 1.5·S,
        so that a crop still has detail and CIFAR is not enlarged first.
    """

    method: MethodName = "simclr"
    loss: LossName = "nt-xent"
    margin: float = 0.4
    normalise: bool = True
    negatives: int = 0
    init: str | None = None
    architecture: Architecture = "resnet18"
    width: float = 1.0
    stem: Stem | Literal["auto"] = "auto"
    norm: Norm = "batch"
    image_size: int = 64
    grow_from: int | None = None
    local_views: int = 0
    local_size: int | None = None
    head: Head | Literal["auto"] = "auto"
    head_dim: int = 128
    head_hidden: int | None = None
    temperature: float = 0.1
    batch_size: int | None = None
    micro_batch: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    patience: int | None = None
    average: float | None = None
    optimizer: OptimizerName | Literal["auto"] = "auto"
    learning_rate: float | None = None
    scaling: Scaling = "sqrt"
    weight_decay: float | None = None
    warmup_epochs: float | None = None
    augmentation: Augmentation | None = None
    precision: Precision | Literal["auto"] = "auto"
    channels_last: bool = True
    compile: bool = False
    knn_every: int | None = None
    checkpoint_every: int = 10
    checkpoint_minutes: float = 5.0
    seed: int = 0
    device: str = "auto"
    cache: Cache | Literal["auto"] = "auto"
    cache_gigabytes: float = 4.0
    cache_size: int | None = None

    def __post_init__(self) -> None:
        _check(self)

    def to_json(self) -> str:
        """As JSON text; `from_json` gives back an equal object."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "the settings") -> Self:
        """Read settings from JSON text.

        Raises
        ------
        UsageError
            If it is no JSON object, or a setting is missing, unknown or out of range; `source`
            is named in the message.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise TypeError("it holds no JSON object")
            if values.get("augmentation") is not None:
                values["augmentation"] = Augmentation(**values["augmentation"])
            return cls(**values)
        except (ValueError, TypeError, UsageError) as error:
            reason = error.what if isinstance(error, UsageError) else str(error)
            raise UsageError(
                f"{source} cannot be read: {reason.rstrip('.')}.",
                "It was changed by hand, or is of another release; train again.",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """Settings of training with nothing left to choose: what `config.json` holds."""

    stem: Stem
    head: Head
    batch_size: int
    epochs: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    augmentation: Augmentation
    precision: Precision
    knn_every: int
    cache: Cache
    cache_size: int


def difference(asked: TrainConfig, stored: ResolvedConfig) -> list[str]:
    """What was asked for and is not what a run has, one line a setting; open settings agree.

    So do all devices: a run may go on on another one.
    """
    lines = []
    for item in fields(TrainConfig):
        if item.name == "device":
            continue
        wanted, has = getattr(asked, item.name), getattr(stored, item.name)
        if wanted not in (None, "auto", has):
            lines.append(f"{item.name} is {wanted}, was {has}")
    return lines


def _check(config: TrainConfig) -> None:
    for name, kind in (
        ("method", MethodName),
        ("loss", LossName),
        ("norm", Norm),
        ("architecture", Architecture),
        ("stem", Literal["auto", "cifar", "middle", "imagenet"]),
        ("head", Literal["auto", "nonlinear", "linear", "none"]),
        ("optimizer", Literal["auto", "lars", "sgd", "adamw"]),
        ("scaling", Scaling),
        ("precision", Literal["auto", "fp32", "bf16"]),
        ("cache", Literal["auto", "memory", "mmap"]),
    ):
        choices, value = get_args(kind), getattr(config, name)
        if value not in choices:
            raise UsageError(f"{name} is {value!r}.", f"Choose one of: {', '.join(choices)}.")
    _refuse_ignored(config)
    if config.width not in WIDTHS:
        raise UsageError(
            f"width is {config.width}.", f"Choose one of: {', '.join(f'{w:g}' for w in WIDTHS)}."
        )
    for name, least, most in (
        ("image_size", 8, 4096),
        ("grow_from", 8, config.image_size),
        ("local_views", 0, 64),
        ("local_size", 8, config.image_size),
        ("head_dim", 1, 65536),
        ("head_hidden", 1, 65536),
        ("temperature", 1e-3, 1e3),
        ("margin", 0.0, 1e3),
        ("negatives", 0, 2**30),
        ("batch_size", 2, 2**20),
        ("micro_batch", 2, 2**20),
        ("epochs", 1, 10**7),
        ("seconds", 1e-3, 1e9),
        ("patience", 1, 10**7),
        ("average", 0.0, 0.999999),
        ("learning_rate", 1e-12, 1e6),
        ("weight_decay", 0.0, 1e3),
        ("warmup_epochs", 0.0, 1e7),
        ("knn_every", 0, 10**7),
        ("checkpoint_every", 1, 10**7),
        ("checkpoint_minutes", 1e-3, 1e6),
        ("cache_gigabytes", 0.0, 1e6),
        ("cache_size", 1, 8192),
        ("seed", 0, 2**63 - 1),
    ):
        if getattr(config, name) is not None:
            _within(name, getattr(config, name), least, most)


def _refuse_ignored(config: TrainConfig) -> None:
    """Refuse settings that the method would not look at."""
    if config.method == "supervised" and config.patience is not None:
        raise UsageError(
            "patience is for training without labels.", "Leave it out, or take another --method."
        )
    for name, owner in OWNERS.items():
        default = TrainConfig.__dataclass_fields__[name].default
        if config.method != owner and getattr(config, name) != default:
            raise UsageError(
                f"{name} is {getattr(config, name)}, which {config.method} has no use for.",
                f"Leave it out, or take --method {owner}.",
            )
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


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # not-a-number fails this, too
        raise UsageError(f"{name} is {value:g}.", f"Choose a number from {least:g} to {most:g}.")
