"""Reading the configurations that other libraries write beside a network."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from clr_search.errors import UsageError
from clr_search.images.geometry import Filter, Fit
from clr_search.importing.recipe import Recipe, Three

Json: TypeAlias = "dict[str, Any]"

_BY_NUMBER: dict[int, Filter] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of its filters."""

_SHORTEST = ("CLIP", "Bit", "ConvNext", "ConvNeXT", "Chinese", "EfficientNet", "MobileNet")
"""Beginnings of processors of transformers for which a bare size is that of the shorter side."""


def hugging_face(config: Json) -> Recipe | None:
    """Read a `preprocessor_config.json` of transformers; None if it is not of pictures."""
    if "preprocessor" in config and isinstance(config["preprocessor"], dict):
        config = config["preprocessor"]
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    size, fit = _size(config.get("size"), kind, crops=bool(config.get("do_center_crop")))
    if not config.get("do_resize", True):
        size = None
    crop = _side(config.get("crop_size")) if config.get("do_center_crop") else None
    if "crop_pct" in config and size and not crop:  # ConvNext and its like
        fraction = float(config["crop_pct"] or 1)
        crop, fit = size, "centre" if size < 384 else "squash"
        size = int(size / fraction) if size < 384 else size
    normalises = config.get("do_normalize", True)
    rescales = config.get("do_rescale", True)
    resample = config.get("resample")
    bicubic = kind.startswith(("CLIP", "Bit", "Siglip2"))
    return Recipe(
        image_size=crop or size,
        resize=size if crop else None,
        fit=fit,
        filter=_filter(resample) if resample is not None else ("bicubic" if bicubic else None),
        scale=float(config.get("rescale_factor", 1 / 255)) if rescales else 1.0,
        mean=_three(config.get("image_mean"), "image_mean") if normalises else None,
        std=_three(config.get("image_std"), "image_std") if normalises else None,
        channels="bgr" if config.get("do_flip_channel_order") else "rgb",
    )


def _size(size: object, kind: str, *, crops: bool) -> tuple[int | None, Fit | None]:
    """Return the side that pictures are resized to, and how."""
    if size is None:
        return None, None
    if isinstance(size, dict):
        if "shortest_edge" in size:
            return int(size["shortest_edge"]), "centre"
        if "longest_edge" in size and "height" not in size:
            return int(size["longest_edge"]), "pad"
        return _side(size), "squash"
    if isinstance(size, list | tuple):
        return _side(size), "squash"
    return int(str(size)), "centre" if crops or kind.startswith(_SHORTEST) else "squash"


def _side(size: object) -> int | None:
    """Return the side of a square size."""
    if size is None:
        return None
    sides = [size]
    if isinstance(size, dict):
        sides = [size.get("height", size.get("shortest_edge")), size.get("width")]
        sides = [side for side in sides if side is not None]
    elif isinstance(size, list | tuple):
        sides = list(size)[-2:]
    if not sides or not all(isinstance(side, int) for side in sides) or len(set(sides)) != 1:
        raise UsageError(
            f"The configuration asks for pictures of {size}, which is no square.",
            "Give a square: --image-size",
        )
    return int(str(sides[0]))


def open_clip(config: Json) -> Recipe | None:
    """Read a `preprocess_cfg.json` of open_clip or Immich, or an `open_clip_config.json`."""
    nested = config.get("preprocess_cfg")
    config = nested if isinstance(nested, dict) else config
    fits: dict[object, Fit] = {"shortest": "centre", "longest": "pad", "squash": "squash"}
    mode = config.get("resize_mode", "shortest")
    if mode not in fits:
        raise UsageError(f"The configuration has an unknown resize_mode {mode!r}.", "Give --fit.")
    fill = config.get("fill_color") or 0
    ground = tuple(fill) if isinstance(fill, list | tuple) else (int(fill),) * 3
    return Recipe(
        image_size=_side(config.get("size")),
        fit=fits[mode],
        filter=_filter(config.get("interpolation", "bicubic")),
        ground=ground,
        mean=_three(config.get("mean"), "mean"),
        std=_three(config.get("std"), "std"),
    )


def timm(config: Json) -> Recipe | None:
    """Read a `config.json` of timm; None if it is of another library."""
    nested = config.get("pretrained_cfg")
    inner = nested if isinstance(nested, dict) else config
    if "input_size" not in inner:
        return None
    name = config.get("architecture") or inner.get("architecture")
    tag = inner.get("tag")
    licence = inner.get("license")
    recipe = of_timm(inner)
    named = f"{name}.{tag}" if name and tag else name
    return recipe | Recipe(name=str(named) if named else None, licence=licence or None)


def of_timm(config: Json) -> Recipe:
    """Read a pretrained configuration of timm, or what its `resolve_data_config` gives."""
    side = _side(list(config["input_size"]))
    assert side is not None
    resized = math.floor(side / float(config.get("crop_pct") or 0.875))
    fits: dict[object, Fit] = {"center": "centre", "squash": "squash", "border": "pad"}
    fit = fits.get(config.get("crop_mode") or "center", "centre")
    mean = _three(config.get("mean"), "mean")
    ground = tuple(round(255 * value) for value in mean) if mean else (0, 0, 0)
    return Recipe(
        image_size=side,
        resize=resized,
        fit=fit,
        filter=_filter(config.get("interpolation") or "bilinear"),
        ground=ground if fit == "pad" else None,  # type: ignore[arg-type]
        mean=mean,
        std=_three(config.get("std"), "std"),
    )


def _filter(name: object) -> Filter:
    """Return the filter of a name or of a number of Pillow."""
    if isinstance(name, int) and name in _BY_NUMBER:
        return _BY_NUMBER[name]
    if name in ("bilinear", "random"):  # timm takes any at random in training, and bilinear then
        return "bilinear"
    if name == "bicubic":
        return "bicubic"
    raise UsageError(
        f"The configuration resizes by the filter {name!r}, which is not known here.",
        "Choose the nearer one: --filter bicubic or bilinear",
    )


def _three(values: object, what: str) -> Three | None:
    """Return one number a channel."""
    if values is None:
        return None
    numbers: list[Any] = list(values) if isinstance(values, list | tuple) else [values] * 3
    try:
        red, green, blue = (float(value) for value in numbers)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The configuration has a {what} that is no three numbers: {str(values)[:80]}."
        ) from error
    return red, green, blue
