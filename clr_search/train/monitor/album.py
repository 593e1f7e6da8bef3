"""`album/`: what the network sees, and how it learns, in pictures for people.

::

    album/
      sample.jpg          the pictures that the spread of h is measured on, 16 beside each other
      views.jpg           a line for each of the first of them: the picture, and views of it
      neighbours.jsonl    for each epoch, from 0: the neighbours of the first pictures by h

The pictures are small, and are known here by their numbers in the sample alone, so that whoever
shows a run needs no other file, and no path. The vectors of the sample are measured after each
epoch anyway (`health`).
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from clr_search.files.disk import told
from clr_search.files.own import OwnFile, OwnFolder
from clr_search.files.strict_json import parse_object, read_text
from clr_search.train.data.augment import apply
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.rng import generator_for
from clr_search.train.settings.resolved import ResolvedConfig

ALBUM = Path("album")
"""Folder of the pictures, relative to the run."""

SAMPLE, VIEWS = ALBUM / "sample.jpg", ALBUM / "views.jpg"
"""The sheets."""

NEIGHBOURS = ALBUM / "neighbours.jsonl"
"""The neighbours."""

COLUMNS, TILE = 16, 72
"""Pictures beside each other in the sample, and the side of each in pixels."""

QUERIES, NEAREST = 8, 8
"""Pictures whose neighbours are noted, and the number of neighbours of each."""

SHOWN, VIEWS_OF_EACH, VIEW = 6, 7, 96
"""Lines of the sheet of views, views in each, and the side of each in pixels."""

_QUALITY = 85


def write_sheets(
    out: OwnFolder, collection: Collection, indices: Tensor, config: ResolvedConfig
) -> None:
    """Write the sample and its views, where they are missing.

    No random number of the training is used up, so that it goes on as it would have without.

    Parameters
    ----------
    out : OwnFolder
        The folder of the run.
    collection : Collection
        The images.
    indices : Tensor
        int64 [M]: numbers of the images of the sample.
    config : ResolvedConfig
        Settings of the training.
    """
    if not (out / SAMPLE).exists():
        tiles = [_whole(collection, int(index), TILE) for index in indices]
        (out / SAMPLE).write(_jpeg(_sheet(tiles, COLUMNS, TILE)))
    if not (out / VIEWS).exists():
        tiles = _views(collection, indices[:SHOWN], config)
        (out / VIEWS).write(_jpeg(_sheet(tiles, 1 + VIEWS_OF_EACH, VIEW)))


def append_neighbours(out: OwnFolder, epoch: int, h: Tensor) -> None:
    """Append the neighbours of the first pictures of the sample, and wait for the disk.

    Parameters
    ----------
    out : OwnFolder
        The folder of the run.
    epoch : int
        Number of finished epochs.
    h : Tensor
        float32 [M, D], rows of unit length: the vectors of the sample.
    """
    row = {"epoch": epoch, "images": len(h), "neighbours": nearest(h)}
    file = out / NEIGHBOURS
    with told(file.path), file.change(os.O_CREAT | os.O_APPEND) as handle:
        handle.write(json.dumps(row).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def nearest(h: Tensor) -> list[list[int]]:
    """Return the numbers of the nearest others of each of the first `QUERIES` rows of h.

    Examples
    --------
    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]))
    [[2, 1], [2, 0], [0, 1]]
    """
    scores = h[:QUERIES] @ h.T
    scores.fill_diagonal_(-torch.inf)
    found: list[list[int]] = scores.topk(min(NEAREST, len(h) - 1), dim=1).indices.tolist()
    return found


def truncate_neighbours(out: OwnFolder, epochs: int) -> None:
    """Remove the rows of epochs after `epochs`, whose work a crash has undone; and broken ones."""
    file: OwnFile = out / NEIGHBOURS
    if not file.exists():
        return
    kept = []
    try:
        *lines, _ = read_text(file).split("\n")
    except ValueError:
        lines = []
    for line in lines:
        try:
            epoch = parse_object(line).get("epoch")
        except ValueError:
            continue
        if isinstance(epoch, int) and epoch <= epochs:
            kept.append(line + "\n")
    file.write("".join(kept))


def _whole(collection: Collection, index: int, side: int) -> Image.Image:
    """Return an image in its own shape, within a square."""
    planar = collection.take(torch.tensor([index]))[0].cpu().numpy()  # [R, 3, R]
    image = Image.fromarray(np.ascontiguousarray(planar.transpose(0, 2, 1)))
    aspect = float(collection.aspects[index])
    width, height = (side, side / aspect) if aspect >= 1 else (side * aspect, side)
    return image.resize((max(1, round(width)), max(1, round(height))), Image.Resampling.BOX)


def _views(collection: Collection, indices: Tensor, config: ResolvedConfig) -> list[Image.Image]:
    """Return each image, and views of it as a step of the training draws them, in lines."""
    aspects = collection.aspects[indices].repeat(VIEWS_OF_EACH)
    draws = draw(aspects, config.augmentation, generator_for(config.seed, "album"))
    pixels = collection.take(indices).to(config.device)
    views = apply(pixels, draws, config.augmentation, config.image_size).permute(0, 2, 3, 1)
    drawn: NDArray[np.uint8] = (views * 255).round().clamp(0, 255).byte().cpu().numpy()
    tiles = []
    for line, index in enumerate(indices):
        tiles.append(_whole(collection, int(index), VIEW))
        views_of_it = map(Image.fromarray, drawn[line :: len(indices)])
        tiles += [view.resize((VIEW, VIEW), Image.Resampling.BICUBIC) for view in views_of_it]
    return tiles


def _sheet(tiles: list[Image.Image], columns: int, side: int) -> Image.Image:
    """Return tiles beside and below each other, each in the middle of a square."""
    sheet = Image.new("RGB", (columns * side, -(-len(tiles) // columns) * side), (238, 236, 232))
    for position, tile in enumerate(tiles):
        left, top = position % columns * side, position // columns * side
        sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
    return sheet


def _jpeg(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
