"""Weights to begin with: those of an earlier run, or of the encoder that ships.

`weights.safetensors` says in its metadata what network its tensors are of, so that the file alone
is enough.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from clr_search.contract.shipped import DEFAULT, SHIPPED
from clr_search.errors import UsageError
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Architecture, Head, Norm, Stem
from clr_search.train.settings.resolved import ResolvedConfig

NETWORK = "clr_search.network"
"""Key of the metadata of `weights.safetensors`: a `Shape` as JSON."""

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tensors of a file are the weights of; as in `TrainConfig`.

    Attributes
    ----------
    architecture, width, stem, norm
        Of the encoder f.
    head, head_dim, head_hidden
        Of the projection head g. Files from before there was a `head_hidden` have none.
    image_size : int
        S that it was trained at.
    """

    architecture: Architecture
    width: float
    stem: Stem
    norm: Norm
    head: Head
    head_dim: int
    image_size: int
    head_hidden: int | None = None

    @classmethod
    def of(cls, config: ResolvedConfig) -> Shape:
        """The shape of the networks of these settings."""
        return cls(**{name: getattr(config, name) for name in cls.__slots__})

    def to_json(self) -> str:
        """As JSON text, for the metadata."""
        return json.dumps(asdict(self))


def weights_file(init: str) -> Path:
    """The file that a value of ``--init`` stands for.

    Parameters
    ----------
    init : str
        "default", a run's folder, or a `weights.safetensors`.

    Raises
    ------
    UsageError
        If there is none.
    """
    if init == DEFAULT:
        return SHIPPED / WEIGHTS
    path = Path(init)
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        what = "has no weights.safetensors" if path.is_dir() else "does not exist"
        raise UsageError(
            f"{init} {what}, so there is nothing to begin with.",
            "Give --init default, a finished run, or a weights.safetensors.",
        )
    return file


def lasting(init: str | None) -> str | None:
    """The same in words that mean the same from any folder: what `config.json` holds."""
    return init if init in (None, DEFAULT) else str(Path(init).resolve())


def shape_of(init: str) -> Shape:
    """What network the weights are of.

    Raises
    ------
    UsageError
        If there is no such file, or it does not say.
    """
    file = weights_file(init)
    try:
        with safe_open(file, framework="pt") as opened:
            return Shape(**json.loads((opened.metadata() or {})[NETWORK]))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"{file} does not say what network its weights are of.",
            "It is damaged, or of another program or release; train again.",
        ) from error


def continued(config: TrainConfig) -> TrainConfig:
    """The same settings for the network of `config.init`, which decides on its shape and S."""
    if config.init is None:
        return config
    return replace(config, **asdict(shape_of(config.init)))


def require_same_encoder(config: ResolvedConfig) -> None:
    """Refuse settings that ask for another encoder than that of `config.init`.

    Raises
    ------
    UsageError
        If they do, or there are no such weights.
    """
    if config.init is None:
        return
    shape, wanted = shape_of(config.init), Shape.of(config)
    for name in ("architecture", "width", "stem", "norm"):
        has, asked = getattr(shape, name), getattr(wanted, name)
        if has != asked:
            raise UsageError(
                f"{name} is {asked}, and the encoder of {config.init} has {has}.",
                "Leave it out: a training goes on with the network that it begins with.",
            )


def load_initial(networks: nn.ModuleDict, config: ResolvedConfig) -> None:
    """Put the weights of `config.init`, if any, into the networks of a run that begins.

    The head is taken over where it is of the same shape; a classifier, say, has none.

    Raises
    ------
    UsageError
        If the settings ask for another encoder, or the file is damaged.
    """
    if config.init is None:
        return
    require_same_encoder(config)
    file, shape, wanted = weights_file(config.init), shape_of(config.init), Shape.of(config)
    with safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    try:
        networks["encoder"].load_state_dict(_of("encoder.", tensors))
        if _same_head(shape, wanted, cast(int, networks["encoder"].dimension)):
            networks["head"].load_state_dict(_of("head.", tensors))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{file} does not hold the network it says: {reason}", "Copy it again, or train again."
        ) from error


def _same_head(one: Shape, other: Shape, dimension: int) -> bool:
    """Whether two heads on an h of `dimension` numbers are of the same shape."""
    sizes = [(s.head, s.head_dim, s.head_hidden or dimension) for s in (one, other)]
    return sizes[0] == sizes[1]


def _of(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
