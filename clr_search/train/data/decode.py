"""Every image is decoded once, before training; an epoch decodes nothing.

An image is kept squashed to a square of R×R pixels, with its aspect ratio beside it, row-planar
(see `resample`): uint8 [N, R, 3, R], in memory, or in a memory-mapped file in the run's folder
where memory would not suffice. The file is valid for one list of files only, and is removed at the
end of training::

    run/cache/pixels.u8      uint8 [files, R, 3, R]
    run/cache/pixels.json    fingerprint, aspect ratios, skipped files; written last
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError, ImageError
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.names import name_bytes
from clr_search.files.own import OwnFile, OwnFolder, temporary_of
from clr_search.files.write import reserve, sha256_bytes
from clr_search.images import load
from clr_search.progress import Reporter
from clr_search.train.data.collection import Collection
from clr_search.train.settings.names import Cache

CACHE = "cache"
"""Name of the folder of the memory-mapped file, in the folder of a run."""

_PIXELS, _FACTS = "pixels.u8", "pixels.json"
TEACHER_VECTORS, TEACHER_FACTS = "teacher.f16", "teacher.json"
"""Names of the files that `teacher` keeps in the same folder."""

_WRITTEN = rf"pixels\.json|{re.escape(TEACHER_VECTORS)}|{re.escape(TEACHER_FACTS)}"
_OURS = re.compile(rf"pixels\.u8|{_WRITTEN}|{temporary_of(_WRITTEN).pattern}")

_SAMPLE = 32  # images that `typical_side` decodes
_AHEAD = 256  # images that the decoding threads work on at once


def typical_side(files: Sequence[ImageFile]) -> int | None:
    """The median length, in pixels, of the shorter sides of a sample of the images.

    Returns
    -------
    int or None
        None if no image of the sample can be decoded.
    """
    sides = []
    for file in files[:: max(1, len(files) // _SAMPLE)][:_SAMPLE]:
        try:
            picture = load(file.path, at_least=1)
        except ImageError:
            continue
        sides.append(min(picture.width, picture.height))
    return round(statistics.median(sides)) if sides else None


def decode_collection(
    files: Sequence[ImageFile],
    side: int,
    cache: Cache,
    folder: OwnFolder | Path,
    reporter: Reporter,
) -> Collection:
    """Decode images, or map the file of pixels that an earlier start of the same run has left.

    Parameters
    ----------
    files : sequence of ImageFile
        The images.
    side : int
        R in pixels.
    cache : str
        "memory", or "mmap" for the memory-mapped file.
    folder : OwnFolder or Path
        The run, in whose folder `CACHE` the memory-mapped file lies.
    reporter : Reporter
        Receives the progress.

    Returns
    -------
    Collection
        The images that could be decoded; `skipped` lists the others.

    Raises
    ------
    ClrSearchError
        If the disk has no room for the memory-mapped file.
    """
    listing = _listing(files, side)
    shape = (len(files), side, 3, side)
    if cache == "mmap":
        pixels, aspects, reasons = _mapped(files, side, folder, listing, reporter)
    else:
        pixels = np.empty(shape, dtype=np.uint8)
        aspects, reasons = _decode_all(files, pixels, reporter)
    usable = [row for row in range(len(files)) if row not in reasons]
    labels, classes = _labels([files[row] for row in usable])
    return Collection(
        pixels=torch.from_numpy(pixels),
        rows=torch.tensor(usable, dtype=torch.int64),
        aspects=torch.from_numpy(aspects[usable]),
        labels=labels,
        classes=classes,
        skipped=[(files[row].path, reason) for row, reason in sorted(reasons.items())],
        fingerprint=sha256_bytes(f"{listing} {usable}".encode()),
    )


def remove_cache(run: OwnFolder) -> None:
    """Remove what a training has kept in `CACHE`, and the folder if nothing else is in it."""
    run.discard(CACHE, _OURS)


def _listing(files: Sequence[ImageFile], side: int) -> str:
    """SHA-256 of R, and of the names and sizes of the files."""
    lines = [f"{file.relative}\t{_size(file)}" for file in files]
    return sha256_bytes(name_bytes("\n".join([str(side), *lines])))


def _size(file: ImageFile) -> str:
    """Size of a file in bytes; empty where it has gone meanwhile, which decoding then reports."""
    try:
        return str(file.path.stat().st_size)
    except OSError:
        return ""


def _mapped(
    files: Sequence[ImageFile],
    side: int,
    folder: OwnFolder | Path,
    listing: str,
    reporter: Reporter,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], dict[int, str]]:
    """Map the file of pixels if it is whole and of these images; otherwise write it first."""
    run = OwnFolder.make(folder) if isinstance(folder, Path) else folder
    pixels_file, facts_file = run / f"{CACHE}/{_PIXELS}", run / f"{CACHE}/{_FACTS}"
    shape = (len(files), side, 3, side)
    size = int(np.prod(shape))
    status = pixels_file.status()
    if facts_file.exists() and status is not None and status.st_size == size:
        facts = json.loads(facts_file.read_text())
        if facts["listing"] == listing:
            reasons = {int(row): reason for row, reason in facts["skipped"].items()}
            with pixels_file.open() as file:
                # Mode "c" allows private writing, which never happens: torch warns of arrays that
                # are read-only.
                pixels = np.memmap(file, dtype=np.uint8, mode="c", shape=shape)
            return pixels, np.asarray(facts["aspects"], dtype=np.float32), reasons
    facts_file.delete()
    with _reserved(pixels_file, size) as file:
        pixels = np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    aspects, reasons = _decode_all(files, pixels, reporter)
    pixels.flush()
    facts = {"listing": listing, "aspects": aspects.tolist(), "skipped": reasons}
    facts_file.write(json.dumps(facts))
    return pixels, aspects, reasons


def _reserved(target: OwnFile, size: int) -> io.BufferedRandom:
    """Make a file of `size` bytes whose blocks the disk has set aside, and return it opened.

    A page of a mapped file that finds no room on the disk would kill the process.
    """
    target.delete()
    file = target.change(os.O_CREAT | os.O_EXCL)
    try:
        reserve(file, size, target.path.parent)
    except OSError as error:
        file.close()
        target.delete()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ClrSearchError(
            f"The decoded pictures need {size / 1e9:,.3f} GB in {target.path.parent}: "
            f"{error.strerror}.",
            "Make room, or choose an --out on another disk.",
        ) from error
    return file


def _decode_all(
    files: Sequence[ImageFile], pixels: NDArray[np.uint8], reporter: Reporter
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Fill `pixels`, in one thread a core.

    Returns
    -------
    aspects : array
        float32 [files]: width / height.
    reasons : dict of int to str
        Why the file of a row could not be decoded.
    """
    aspects = np.ones(len(files), dtype=np.float32)
    reasons: dict[int, str] = {}
    side = pixels.shape[1]

    def decode(row: int) -> None:
        try:
            pixels[row], aspects[row] = squash(files[row].path, side)
        except ImageError as error:
            reasons[row] = error.what
        except Exception as error:  # noqa: BLE001  # One file must never end a run over a million.
            reasons[row] = f"{type(error).__name__} while decoding: {error}"

    with (
        reporter.task("Decoding", len(files), "images"),
        ThreadPoolExecutor(usable_cores()) as pool,
    ):
        for start in range(0, len(files), _AHEAD):
            rows = range(start, min(start + _AHEAD, len(files)))
            for _ in pool.map(decode, rows):
                reporter.advance(note=f"{len(reasons)} skipped" if reasons else "")
    return aspects, reasons


def squash(path: Path, side: int) -> tuple[NDArray[np.uint8], float]:
    """Decode an image and squash it to a square of `side` pixels.

    Returns
    -------
    pixels : array
        uint8 [R, 3, R], row-planar.
    aspect : float
        Width / height of the image.

    Raises
    ------
    ImageError
        If the file cannot be decoded.
    """
    from PIL import Image

    picture = load(path, at_least=side)
    image = Image.fromarray(picture.pixels)
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(0, 2, 1), picture.width / picture.height


def _labels(files: Sequence[ImageFile]) -> tuple[Tensor, tuple[str, ...]]:
    """Numbers of the classes by parent folder, int64 [N] with −1 for none, and their names."""
    names = [file.class_name for file in files]
    classes = tuple(sorted(Counter(name for name in names if name is not None)))
    number = {name: index for index, name in enumerate(classes)}
    return torch.tensor([-1 if name is None else number[name] for name in names]), classes
