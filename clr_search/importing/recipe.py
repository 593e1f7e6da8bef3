"""What is known of a network, as a `Recipe`, and the `Preprocessing` that follows from it.

A recipe is read from a layout or a graph, or given by the user, and may have gaps; a preprocessing
has none, and can be done in numpy and Pillow, apart from any graph of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.images.geometry import Filter, Fit, Frame, square

Channels = Literal["rgb", "bgr"]
Layout = Literal["nchw", "nhwc"]
Pool = Literal["cls", "mean", "gem", "cls+mean", "none"]
Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pictures are prepared for a network, and what of its outputs is the embedding.

    None stands for what is not known.

    Attributes
    ----------
    image_size : int
        Side in pixels of the square that the network reads.
    resize : int
        Side that the picture is resized to before the central square of `image_size` is cut out of
        it; by default, `image_size`.
    fit, filter, ground
        As of `images.Frame`.
    scale : float
        Factor from bytes to numbers, 1/255 by default.
    mean, std : tuple of float
        Subtracted after scaling, and divided by, for each channel in the order of the network.
    channels : str
        "rgb" or "bgr": the order in which the network reads the colours.
    layout : str
        "nchw" or "nhwc": the order of the axes that it reads.
    output : str
        Name of the tensor that is the embedding, or from which it is pooled.
    pool : str
        How a tensor of tokens or a map becomes a vector; see `pooling`.
    prefix_tokens : int
        Number of tokens before those of the patches: the class token and registers.
    name, licence : str
        For people.

    Examples
    --------
    >>> asked, read = Recipe(pool="mean"), Recipe(pool="cls", image_size=224)
    >>> (asked | read).pool, (asked | read).image_size
    ('mean', 224)
    """

    image_size: int | None = None
    resize: int | None = None
    fit: Fit | None = None
    filter: Filter | None = None
    ground: tuple[int, int, int] | None = None
    scale: float | None = None
    mean: Three | None = None
    std: Three | None = None
    channels: Channels | None = None
    layout: Layout | None = None
    output: str | None = None
    pool: Pool | None = None
    prefix_tokens: int | None = None
    name: str | None = None
    licence: str | None = None

    def __or__(self, other: Recipe) -> Recipe:
        """Return this recipe, with what it lacks from another one."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(
            other, **{name: value for name, value in values.items() if value is not None}
        )


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to a picture before the network, with every value settled.

    Attributes
    ----------
    frame : Frame
        How the picture becomes a square of side S.
    crop : int
        Side in pixels of the central part of that square that the network reads.
    scale, mean, std, channels, layout
        As of `Recipe`.
    """

    frame: Frame
    crop: int
    scale: float
    mean: Three
    std: Three
    channels: Channels
    layout: Layout

    def documented(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare one picture as the makers of networks write it, apart from any graph of ours.

        The whole picture is resized first and cut afterwards, with the longer side rounded down, as
        torchvision and transformers do.

        Parameters
        ----------
        picture : uint8 array, shape (h, w, 3)
            RGB.

        Returns
        -------
        float32 array, shape (1, 3, crop, crop) or (1, crop, crop, 3)
        """
        pixels = _cut(self._resized(picture), self.crop).astype(np.float32)
        if self.channels == "bgr":
            pixels = pixels[..., ::-1].copy()
        pixels *= np.float32(self.scale)
        pixels -= np.array(self.mean, np.float32)
        pixels /= np.array(self.std, np.float32)
        if self.layout == "nchw":
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None], np.float32)

    def _resized(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture resized by Pillow, its shorter side S if it is to be cropped."""
        from PIL import Image

        if self.frame.fit not in ("crop", "centre"):
            return square(picture, self.frame)
        height, width = picture.shape[:2]
        shorter, size = min(height, width), self.frame.size
        target = (width * size // shorter, height * size // shorter)
        cubic = self.frame.filter == "bicubic"
        way = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(picture).resize(target, way))


def _cut(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the central square of a side."""
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def settled(recipe: Recipe) -> Preprocessing:
    """Return the preprocessing of a recipe, with defaults for what nobody said.

    Raises
    ------
    UsageError
        If a value is missing for which there is no default, or makes no sense.
    """
    if recipe.image_size is None:
        raise UsageError(
            "The side of the pictures that the network reads stands neither in its graph nor in a "
            "configuration beside it.",
            "Give it: --image-size 224, for example.",
        )
    size = recipe.resize or recipe.image_size
    if size < recipe.image_size:
        raise UsageError(
            f"Pictures are resized to {size} pixels, and {recipe.image_size} are cut out of them.",
            "Give a --resize that is no less than --image-size.",
        )
    std = recipe.std or (1.0, 1.0, 1.0)
    if not all(value > 0 for value in std):
        raise UsageError(f"The standard deviations {std} are not all above 0.", "Check --std.")
    frame = Frame(
        size, recipe.fit or "centre", recipe.filter or "bilinear", recipe.ground or (0, 0, 0)
    )
    return Preprocessing(
        frame=frame,
        crop=recipe.image_size,
        scale=1 / 255 if recipe.scale is None else recipe.scale,
        mean=recipe.mean or (0.0, 0.0, 0.0),
        std=std,
        channels=recipe.channels or "rgb",
        layout=recipe.layout or "nchw",
    )
