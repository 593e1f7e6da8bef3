"""Initial weights: those of an earlier run, of the encoder that comes with the package, or others.

The metadata of `weights.safetensors` describe the network that its tensors belong to, so the file
alone is enough. Weights of others (see `others`) do not say what they are of: the architecture is
given, or is that of the library's network.
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
from clr_search.files.own import OwnFolder
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.files.write import sha256_file
from clr_search.train.network import others
from clr_search.train.network.fitting import require_fit
from clr_search.train.network.others import of_library
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.names import Head, Norm, Stem
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm

NETWORK = "clr_search.network"
"""Key in the metadata of `weights.safetensors`, whose value is a `Shape` as JSON."""

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Shape:
    """The network whose weights a file holds. The fields are settings of `TrainConfig`.

    Attributes
    ----------
    architecture, width, stem, norm
        Settings of the encoder f.
    head, head_dim, head_hidden
        Settings of the projection head g. Files of early versions have no `head_hidden`.
    image_size : int
        S, side in pixels of the views that the network was trained on.
    """

    architecture: str
    width: float
    stem: Stem
    norm: Norm
    head: Head
    head_dim: int
    image_size: int
    head_hidden: int | None = None

    @classmethod
    def of(cls, config: ResolvedConfig) -> Shape:
        """The shape of the networks that these settings ask for."""
        return cls(**{name: getattr(config, name) for name in cls.__slots__})

    def to_json(self) -> str:
        """The shape as JSON text, for the metadata."""
        return json.dumps(asdict(self))


def weights_file(init: str) -> Path:
    """The file of weights that a value of ``--init`` names.

    Parameters
    ----------
    init : str
        "default", the folder of a run, or the path of a `weights.safetensors`.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    if init == DEFAULT:
        return SHIPPED / WEIGHTS
    path = Path(init)
    file = path / WEIGHTS if path.is_dir() else path
    if path.is_dir():
        (OwnFolder(path) / WEIGHTS).status()  # refuses a link
    if not file.is_file():
        what = "has no weights.safetensors" if path.is_dir() else "does not exist"
        raise UsageError(
            f"{init} {what}, so there is nothing to begin with.",
            "Give --init default, a finished run, or a weights.safetensors.",
        )
    return file


def weights_sha256(init: str) -> str | None:
    """SHA-256 of the file of weights that a value of ``--init`` names; None for a library's own."""
    return None if of_library(init) else sha256_file(weights_file(init))


def absolute_init(init: str | None) -> str | None:
    """The value of ``--init`` with an absolute path, which is what `config.json` holds."""
    if init is None or init == DEFAULT or of_library(init):
        return init
    return str(Path(init).resolve())


def of_others(init: str) -> bool:
    """Whether weights are of a library, or of a file that is not ours.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    if of_library(init):
        return True
    file = weights_file(init)
    if file.suffix in (".pth", ".pt", ".bin"):
        return True
    try:
        with safe_open(file, framework="pt") as opened:
            return NETWORK not in (opened.metadata() or {}) and file.name != WEIGHTS
    except (SafetensorError, OSError):
        return False  # which reading it as ours will tell


def shape_of(init: str) -> Shape:
    """The network that a file of weights belongs to, read from its metadata.

    The file may be a stranger's, so its tensors must be those of that network.

    Raises
    ------
    UsageError
        If there is no such file, its metadata do not describe a network, or describe another one
        than that of its tensors.
    """
    file = weights_file(init)
    try:
        with safe_open(file, framework="pt") as opened:
            told = parse_object((opened.metadata() or {})[NETWORK])
            shape = Shape(**checked_fields(told, Shape))
            described = replace(TrainConfig(), **asdict(shape))  # refuses what is out of bounds
            names = opened.keys()
            sizes = {name: opened.get_slice(name).get_shape() for name in names}
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, UsageError) as error:
        raise UsageError(
            f"{file} does not say what network its weights are of.",
            "It is damaged, or of another program or release; train again.",
        ) from error
    try:
        require_fit(sizes, described)
    except ValueError as error:
        raise UsageError(
            f"{file} does not hold the network it says: {error}.", "Copy it again, or train again."
        ) from error
    return shape


def continued(config: TrainConfig) -> TrainConfig:
    """The settings with the network and the image size of the weights that `init` names.

    Raises
    ------
    UsageError
        If there are no such weights.
    """
    if config.init is None:
        return config
    if of_others(config.init):
        return replace(config, **others.network_of(config))
    values = asdict(shape_of(config.init))
    if of_timm(values["architecture"]):
        values["stem"] = "auto"
    if values["head"] == "none":  # there is none to go on with
        del values["head"], values["head_dim"], values["head_hidden"]
    return replace(config, **values)


def require_same_encoder(config: ResolvedConfig) -> None:
    """Refuse settings that ask for another encoder than that of the weights that `init` names.

    Raises
    ------
    UsageError
        Names the setting that differs; or says that there are no such weights.
    """
    if config.init is None:
        return
    if of_others(config.init):
        shape = replace(Shape.of(config), **others.network_of(config))
    else:
        shape = shape_of(config.init)
    wanted = Shape.of(config)
    names = ("architecture", "width", "stem", "norm")
    for name in names[:1] if of_timm(shape.architecture) else names:
        stored, requested = getattr(shape, name), getattr(wanted, name)
        if stored != requested:
            raise UsageError(
                f"{name} is {requested}, and the encoder of {config.init} has {stored}.",
                "Leave it out: a training goes on with the network that it begins with.",
            )


def load_initial(networks: nn.ModuleDict, config: ResolvedConfig) -> None:
    """Load the weights that `init` names, if any, into the networks of a new run.

    The weights of the head are loaded only if both heads have the same shape.

    Raises
    ------
    UsageError
        If the settings ask for another encoder, or the file is damaged.
    """
    if config.init is None:
        return
    require_same_encoder(config)
    if of_others(config.init):
        others.load(networks["encoder"], config)
        return
    file, shape, wanted = weights_file(config.init), shape_of(config.init), Shape.of(config)
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        networks["encoder"].load_state_dict(_with_prefix("encoder.", tensors))
        if _same_head(shape, wanted, cast(int, networks["encoder"].dimension)):
            networks["head"].load_state_dict(_with_prefix("head.", tensors))
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{file} does not hold the network it says: {reason}", "Copy it again, or train again."
        ) from error


def _same_head(one: Shape, other: Shape, dimension: int) -> bool:
    """Whether two heads have the same shape, on an encoder whose h has `dimension` numbers."""
    sizes = [(s.head, s.head_dim, s.head_hidden or dimension) for s in (one, other)]
    return sizes[0] == sizes[1]


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it, in single precision."""
    return {
        name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
