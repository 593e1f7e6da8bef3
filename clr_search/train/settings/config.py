"""Every setting of training: what it means, its default and where the default comes from.

A setting is declared once, by `setting`: here if it is about how the network is trained, in `model`
if it is about what is learned. Its check, its option, its row in docs/settings.md and its place in
the docstring follow from the declaration (see `declaration`). A setting of None, or "auto", is
chosen by `choices.resolve` from the collection and the machine; what was chosen is what
`config.json` holds. "§", "Table" and appendices refer to SimCLR, arXiv 2002.05709.

This module imports no torch, so that a command line can show the defaults at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from clr_search.errors import UsageError
from clr_search.files.own import OwnFile
from clr_search.files.strict_json import checked_fields, parse_object, read_text
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.declaration import check_declared, documented, setting
from clr_search.train.settings.model import ModelSettings, check_local_views, check_teacher
from clr_search.train.settings.names import Auto, Cache, OptimizerName, Precision, Scaling
from clr_search.train.settings.zoo import check_network

_SHOWN = 200  # characters of a reason that are told
RECORDED = ("init_sha256", "teacher_sha256", "timed_threads")
"""What `config.json` records beside the settings, see `ResolvedConfig`; nobody asks for it."""


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(ModelSettings):
    """The settings of a training, as they are asked for.

    Raises
    ------
    UsageError
        If a value is out of its range, or settings contradict each other. The message names the
        setting, its value, and what may be chosen instead.

    Examples
    --------
    >>> TrainConfig(image_size=3)
    Traceback (most recent call last):
        ...
    clr_search.errors.UsageError: image_size is 3. Choose a number from 8 to 4096.
    """

    batch_size: int | None = setting(
        None,
        "Number of images in a step.",
        default_text="256, or all if fewer",
        group="Batches",
        bounds=(2, 2**20),
        option="--batch-size",
    )
    micro_batch: int | None = setting(
        None,
        "Most images that pass through the network at once; memory is needed for these only, "
        "however large the batch is.",
        default_text="the whole batch",
        group="Batches",
        bounds=(2, 2**20),
        option="--micro-batch",
    )
    epochs: int | None = setting(
        None,
        "Number of passes over the images.",
        details="100 is the shortest training of Table B.1.",
        default_text="100",
        group="Length of the training",
        bounds=(1, 10**7),
        option="--epochs",
    )
    seconds: float | None = setting(
        None,
        "Train for about this long, instead of for a number of epochs.",
        details="The setting is in seconds, the option in minutes.",
        group="Length of the training",
        bounds=(1e-3, 1e9),
        option="--minutes",
        option_factor=60.0,
    )
    patience: int | None = setting(
        None,
        "Hold some images out of the training, and stop after this many epochs without a lower "
        "loss on them.",
        details="The weights of the best epoch are kept.",
        default_text="train on all images to the end",
        group="Length of the training",
        bounds=(1, 10**7),
        option="--patience",
    )
    average: float | None = setting(
        None,
        "Keep a moving average of the weights with this decay, such as 0.999, instead of the last "
        "weights.",
        details="The average is also what is measured.",
        default_text="the last weights",
        group="Optimizer",
        bounds=(0.0, 0.999999),
        option="--average",
        metavar="DECAY",
    )
    optimizer: Auto | OptimizerName = setting(
        "auto",
        "The optimizer: auto is AdamW; LARS is the paper's, for large batches.",
        group="Optimizer",
        option="--optimizer",
    )
    learning_rate: float | None = setting(
        None,
        "Highest learning rate, which is reached at the end of the warm-up.",
        default_text="by optimizer and batch size; a fourth with transformers",
        group="Optimizer",
        bounds=(1e-12, 1e6),
        option="--learning-rate",
    )
    encoder_rate: float | None = setting(
        None,
        "Learning rate of the encoder, as a share of that of the head.",
        details="A head begins with random weights, and an encoder that has learned does not "
        "(ULMFiT, arXiv 1801.06146).",
        default_text="0.02 with initial weights of others, else 1",
        group="Optimizer",
        bounds=(1e-6, 1.0),
        option="--encoder-rate",
    )
    scaling: Scaling = setting(
        "sqrt",
        "How the automatic learning rate of LARS grows with the batch size B.",
        details="sqrt is 0.075·√B, linear is 0.3·B/256 (B.1).",
        group="Optimizer",
    )
    weight_decay: float | None = setting(
        None,
        "Weight decay of the optimizer.",
        details="1e-6 is from §2.2; the 1e-4 for CIFAR is from the README of the authors' code, "
        "while B.9 keeps 1e-6.",
        default_text="1e-2 for AdamW, 0.05 with transformers; 1e-6 for LARS and SGD, 1e-4 up to 48 "
        "pixels",
        group="Optimizer",
        bounds=(0.0, 1e3),
    )
    warmup_epochs: float | None = setting(
        None,
        "Epochs over which the learning rate rises linearly, before it falls along a cosine.",
        default_text="10 (§2.2), and at most a tenth of all epochs; 40 of 300 with transformers",
        group="Optimizer",
        bounds=(0.0, 1e7),
    )
    augmentation: Augmentation | None = setting(
        None,
        "The augmentation that makes the views, an `Augmentation`.",
        default_text="that of the paper; up to 48 pixels that of B.9",
    )
    precision: Auto | Precision = setting(
        "auto",
        "Number format of the network: auto is bf16 where the device computes in it, else fp32.",
        group="Machine",
        option="--precision",
    )
    channels_last: bool = setting(
        True,
        "Keep channels last in the memory of tensors, which is nearly always faster.",
        group="Machine",
    )
    compile: bool = setting(
        False,
        "Let torch compile the network, which takes minutes at first; meant for a GPU.",
        group="Machine",
        option="--compile",
    )
    knn_every: int | None = setting(
        None,
        "Epochs between two measurements of kNN accuracy; 0 for never.",
        details="It is always measured after the last epoch, too.",
        default_text="five measurements in the training",
        group="Measurements and checkpoints",
        bounds=(0, 10**7),
    )
    checkpoint_every: int = setting(
        10,
        "Epochs between two checkpoints.",
        group="Measurements and checkpoints",
        bounds=(1, 10**7),
    )
    checkpoint_minutes: float = setting(
        5.0,
        "Minutes after which a checkpoint is written in the middle of an epoch.",
        group="Measurements and checkpoints",
        bounds=(1e-3, 1e6),
    )
    seed: int = setting(
        0,
        "Seed of everything that is random in the training.",
        group="Machine",
        bounds=(0, 2**63 - 1),
        option="--seed",
    )
    device: str = setting(
        "auto",
        "Device to train on: cpu, cuda or cuda:1, say; auto is CUDA where there is a GPU.",
        details="It is chosen anew when a run is resumed.",
        group="Machine",
        option="--device",
    )
    threads: int | None = setting(
        None,
        "Number of threads of the processor.",
        details="By default they are timed before a training of a minute or more, and again when "
        "its pace falls. They are chosen anew when a run is resumed with this setting.",
        default_text="the number that is fastest",
        group="Machine",
        bounds=(1, 4096),
        option="--threads",
    )
    cache: Auto | Cache = setting(
        "auto",
        "Where decoded images are kept: in memory, or in a file in the run's folder (mmap).",
        default_text="memory, if `cache_gigabytes` suffice",
        group="Machine",
    )
    cache_gigabytes: float = setting(
        4.0,
        "Size in GB up to which decoded images are kept in memory.",
        group="Machine",
        bounds=(0.0, 1e6),
    )
    cache_size: int | None = setting(
        None,
        "Side R, in pixels, at which decoded images are kept.",
        details="A crop should still have detail, and CIFAR should not be enlarged first.",
        default_text="that of the images, between `image_size` and 1.5 times that",
        group="Machine",
        bounds=(1, 8192),
    )

    def __post_init__(self) -> None:
        check_declared(self, TrainConfig)
        _check_consistent(self)
        check_local_views(self)
        check_teacher(self)
        check_network(self)

    def to_json(self) -> str:
        """The settings as JSON text, from which `from_json` makes an equal object."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "the settings") -> Self:
        """Read settings from JSON text.

        Parameters
        ----------
        text : str
            One JSON object.
        source : str
            The name of the file, for the message of an error.

        Raises
        ------
        UsageError
            If the text is no JSON object, or a setting is missing, unknown or out of range.
        """
        try:
            values: dict[str, Any] = parse_object(text)
            if values.get("augmentation") is not None:
                inner = checked_fields(values["augmentation"], Augmentation)
                values["augmentation"] = Augmentation(**inner)
            names = {item.name for item in fields(cls)}
            kept = {k: v for k, v in values.items() if k in names or k not in RECORDED}
            return cls(**checked_fields(kept, cls))
        except (ValueError, TypeError, ArithmeticError, AttributeError, UsageError) as error:
            reason = (error.what if isinstance(error, UsageError) else str(error))[:_SHOWN]
            raise UsageError(
                f"{source} cannot be read: {reason.rstrip('.')}.",
                "It was changed by hand, or is of another release; train again.",
            ) from error

    @classmethod
    def from_file(cls, path: OwnFile | Path) -> Self:
        """Read settings from a file of `to_json`; raises the error of `from_json`."""
        try:
            text = read_text(path)
        except ValueError as error:
            raise UsageError(
                f"{path} cannot be read: {error}.", "Copy it again, or train again."
            ) from error
        return cls.from_json(text, str(path))


def _check_consistent(config: TrainConfig) -> None:
    """Refuse settings that others leave no use for."""
    if config.method == "supervised" and config.patience is not None:
        raise UsageError(
            "patience is for training without labels.", "Leave it out, or take another --method."
        )
