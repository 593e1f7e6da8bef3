"""The folders that networks come in: which file is the network, and what is known of it.

==================  ================================  =============================
layout              network                           configuration
==================  ================================  =============================
transformers(.js)   `onnx/model.onnx`                 `preprocessor_config.json`
Immich, open_clip   `visual/model.onnx`               `visual/preprocess_cfg.json`
timm                any `.onnx`                       `config.json`
==================  ================================  =============================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.files.strict_json import parse_object, read_text
from clr_search.importing.configurations import Json, hugging_face, open_clip, timm
from clr_search.importing.recipe import Recipe

_NETWORKS = (
    "onnx/vision_model.onnx", "onnx/model.onnx", "visual/model.onnx", "vision_model.onnx",
    "model.onnx",
)  # fmt: skip

_OUTPUTS = ("image_embeds", "image_features", "pooler_output", "last_hidden_state")
"""Outputs of the known exporters, the best embedding first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A network, with what stands beside it.

    Attributes
    ----------
    path : Path
        The ONNX file.
    recipe : Recipe
        What was read.
    layout : str
        Whose layout it is, and of which file; empty for a file alone.
    outputs : tuple of str
        Outputs to choose, if the file has several.
    """

    path: Path
    recipe: Recipe
    layout: str = ""
    outputs: tuple[str, ...] = ()


def find_network(source: Path) -> Found:
    """Find the network of a source, and read what is known of it.

    Parameters
    ----------
    source : Path
        An ONNX file, or a folder in one of the layouts.

    Raises
    ------
    UsageError
        If there is no network, or its configuration cannot be read.
    """
    if not source.is_dir():
        return Found(source, Recipe())
    path = _network(source)
    for name, layout, read in _CONFIGURATIONS:
        for folder in (path.parent, source):
            file = folder / name
            if file.is_file() and (recipe := read(_json(file))) is not None:
                named = recipe.name or _name(source)
                licence = recipe.licence or _licence(source)
                recipe = replace(recipe, name=named, licence=licence)
                return Found(path, recipe, f"{layout}, {file.name}", _OUTPUTS)
    return Found(path, Recipe(name=_name(source), licence=_licence(source)), "", _OUTPUTS)


_CONFIGURATIONS: tuple[tuple[str, str, Callable[[Json], Recipe | None]], ...] = (
    ("preprocess_cfg.json", "Immich or open_clip", open_clip),
    ("open_clip_config.json", "open_clip", open_clip),
    ("preprocessor_config.json", "Hugging Face", hugging_face),
    ("config.json", "timm", timm),
)


def _network(folder: Path) -> Path:
    """Return the ONNX file of a folder."""
    for name in _NETWORKS:
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.onnx")) or sorted(folder.glob("*/*.onnx"))
    if len(files) == 1:
        return files[0]
    if files:
        raise UsageError(
            f"{folder} holds {len(files)} ONNX files: "
            f"{', '.join(str(file.relative_to(folder)) for file in files[:5])}.",
            "Give one of them.",
        )
    raise UsageError(
        f"{folder} holds no ONNX file.",
        "Give a file, or a folder as transformers.js, Immich, open_clip or timm lay it out. "
        "Weights of torch are imported by timm:NAME or torchvision:NAME, with --weights FILE.",
    )


def _json(file: Path) -> Json:
    """Return the object of a configuration."""
    try:
        return parse_object(read_text(file))
    except ValueError as error:
        raise UsageError(f"{file} cannot be read: {error}.", "Copy it again.") from error


def _name(folder: Path) -> str:
    """Return the name of a network by its configuration, or by its folder."""
    file = folder / "config.json"
    if file.is_file():
        name = _json(file).get("_name_or_path")
        if isinstance(name, str) and name:
            return name[:200]
    return folder.resolve().name


def _licence(folder: Path) -> str | None:
    """Return the licence that the head of a README names, as on the Hugging Face hub."""
    file = folder / "README.md"
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", errors="replace") as readme:
        head = readme.read(4000)
    found = re.match(r"---\n(?:.*\n)*?licen[sc]e: *([\w.+-]+)", head)
    return found[1] if found else None
