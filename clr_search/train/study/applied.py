"""What h and z know of what was done to a picture (Table 3).

The contrastive task rewards a projection z that is the same for all views of a picture, so z may
lose what the views differ by, and h need not. A linear classifier is asked, of h and of z, what was
applied to a picture: whether its colours were taken away, by how many quarters it was turned, and
whether it was blurred. Each picture is there once in every form, so that guessing has 50, 25 and 50
per cent.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from clr_search.train.data.collection import Collection
from clr_search.train.data.colour import luma
from clr_search.train.data.resample import blur, kernel_size
from clr_search.train.monitor.evaluate import linear_accuracy_on
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study.embedding import Change, embed
from clr_search.train.study.pictures import Pictures

PROBED = (1000, 500)
"""Most training images that the classifiers learn from, and test images they are tested on."""

_SIGMA = 1 / 32  # standard deviation of the blur as a share of the side
_KERNEL = 0.2  # size of its kernel as a share of the side


def grey(squares: Tensor) -> Tensor:
    """The squares, float32 [n, S, 3, S], without colour."""
    return luma(squares).expand_as(squares)


def turned(squares: Tensor, quarters: int) -> Tensor:
    """The squares, float32 [n, S, 3, S], turned by quarters of a circle."""
    return squares.rot90(quarters, (1, 3))


def blurred(squares: Tensor) -> Tensor:
    """The squares, float32 [n, S, 3, S], blurred."""
    size = squares.shape[1]
    sigma = torch.full((len(squares),), _SIGMA * size, device=squares.device)
    return blur(squares, sigma, kernel_size(size, _KERNEL))


CHANGES: dict[str, tuple[Change, ...]] = {
    "grey": (grey,),
    "rotation": tuple(partial(turned, quarters=number) for number in (1, 2, 3)),
    "blur": (blurred,),
}
"""What is applied, by the name of the measure; the picture as it is comes before."""


def applied(
    networks: nn.ModuleDict, config: ResolvedConfig, pictures: Pictures
) -> dict[str, float]:
    """Measure how well h and z tell what was applied to test images.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", in evaluation mode.
    config : ResolvedConfig
        Settings of their training.
    pictures : Pictures
        The images.

    Returns
    -------
    dict of str to float
        "grey h", "grey z", "rotation h" and so on: accuracy in per cent.
    """
    chosen = [
        (part, _some(part, most))
        for part, most in zip((pictures.train, pictures.test), PROBED, strict=True)
    ]
    plain = [embed(networks, part, indices, config) for part, indices in chosen]
    found = {}
    for name, changes in CHANGES.items():
        vectors = [
            [before, *(embed(networks, part, indices, config, change) for change in changes)]
            for (part, indices), before in zip(chosen, plain, strict=True)
        ]
        for number, layer in enumerate("hz"):
            train, test = ([forms[number] for forms in kinds] for kinds in vectors)
            accuracy = linear_accuracy_on(
                torch.cat(train), _numbers(train), torch.cat(test), _numbers(test)
            )
            found[f"{name} {layer}"] = 100 * accuracy
    return found


def _some(collection: Collection, most: int) -> Tensor:
    """The numbers of at most so many images, always the same, int64 [M]."""
    return torch.randperm(len(collection), generator=generator_for(0, "applied"))[:most]


def _numbers(forms: list[Tensor]) -> Tensor:
    """The number of the form of each row of some forms put together, int64 [M]."""
    return torch.arange(len(forms), device=forms[0].device).repeat_interleave(len(forms[0]))
