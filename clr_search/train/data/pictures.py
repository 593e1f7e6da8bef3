"""The decoded collection: every picture is decoded once, and an epoch decodes nothing.

A picture is kept squashed to a square of R×R pixels, with its aspect ratio beside it, row-planar
(see `resample`): uint8 [N, R, 3, R] in memory, or in a memory-mapped file in the run's folder where
that would be too much. The file is valid for one list of files only, and is removed at the end of
training::

    run/cache/pixels.u8      uint8 [files, R, 3, R]
    run/cache/pixels.json    fingerprint, aspect ratios, skipped files; written last
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import statistics
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clr_search.errors import ClrSearchError, ImageError
from clr_search.files.find import ImageFile
from clr_search.files.write import reserve, sha256_bytes, write_atomically
from clr_search.images import load
from clr_search.progress import Reporter
from clr_search.train.distributed import share_of
from clr_search.train.hardware import make_current, sent
from clr_search.train.settings.names import Cache

CACHE = "cache"

_SAMPLE = 32  # pictures looked at to learn the typical size
_AHEAD = 256  # pictures in the hands of the decoding threads


@dataclass(frozen=True, slots=True)
class Collection:
    """Decoded pictures.

    Attributes
    ----------
    pixels : Tensor
        uint8 [files, R, 3, R], row-planar; rows of skipped files are never read.
    rows : Tensor
        int64 [N]: rows of the N usable pictures.
    aspects : Tensor
        float32 [N]: width / height.
    labels : Tensor
        int64 [N]: class by parent folder, −1 for none.
    classes : tuple of str
        Names of the classes.
    skipped : list of (Path, str)
        Files that could not be decoded, and why.
    fingerprint : str
        SHA-256 over the usable files' names and sizes, and R.
    """

    pixels: Tensor
    rows: Tensor
    aspects: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    skipped: list[tuple[Path, str]]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Tensor) -> Tensor:
        """Pixels of some pictures, by their number among the usable ones; on `pixels.device`."""
        rows = self.rows[indices]
        if self.pixels.device.type != "cpu":
            return self.pixels[sent(rows, self.pixels.device)]
        # numpy copies on this thread alone. torch would, in a thread that fetches ahead, start a
        # second team of OpenMP threads, which spin beside those of the network: a fourth of the
        # speed of a small one (ResNet-18 of width 1/4, batch 256, 32 px).
        return torch.from_numpy(self.pixels.numpy()[rows.numpy()])


def typical_side(files: Sequence[ImageFile]) -> int | None:
    """Median length of the shorter sides of a few pictures; None if none of those can be read."""
    sides = []
    for file in files[:: max(1, len(files) // _SAMPLE)][:_SAMPLE]:
        try:
            picture = load(file.path, at_least=1)
        except ImageError:
            continue
        sides.append(min(picture.width, picture.height))
    return round(statistics.median(sides)) if sides else None


def decode_collection(
    files: Sequence[ImageFile], side: int, cache: Cache, folder: Path, reporter: Reporter
) -> Collection:
    """Decode pictures, or map those that an earlier start of the same run left decoded.

    Parameters
    ----------
    files : sequence of ImageFile
        The pictures.
    side : int
        R in pixels.
    cache : str
        "memory" or "mmap".
    folder : Path
        Folder for the memory-mapped file.
    reporter : Reporter
        Is told the progress.

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


def resident(collection: Collection, device: str) -> Collection:
    """The same, its pixels on the device if that is CUDA and half of its free memory suffices."""
    where = torch.device(device)
    if where.type != "cuda":
        return collection
    free, _ = torch.cuda.mem_get_info(where)
    if collection.pixels.nbytes > free / 2:
        return collection
    return replace(collection, pixels=collection.pixels.to(where))


def remove_cache(folder: Path) -> None:
    """Remove the memory-mapped file, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def _listing(files: Sequence[ImageFile], side: int) -> str:
    lines = [f"{file.relative}\t{file.path.stat().st_size}" for file in files]
    return sha256_bytes("\n".join([str(side), *lines]).encode())


def _mapped(
    files: Sequence[ImageFile], side: int, folder: Path, listing: str, reporter: Reporter
) -> tuple[NDArray[np.uint8], NDArray[np.float32], dict[int, str]]:
    data, facts = folder / "pixels.u8", folder / "pixels.json"
    shape = (len(files), side, 3, side)
    if facts.is_file() and data.is_file() and data.stat().st_size == int(np.prod(shape)):
        known = json.loads(facts.read_text("utf-8"))
        if known["listing"] == listing:
            reasons = {int(row): reason for row, reason in known["skipped"].items()}
            # Mapped for private writing, which never happens: torch warns of read-only arrays.
            pixels = np.memmap(data, dtype=np.uint8, mode="c", shape=shape)
            return pixels, np.asarray(known["aspects"], dtype=np.float32), reasons
    folder.mkdir(parents=True, exist_ok=True)
    facts.unlink(missing_ok=True)
    _make_file(data, int(np.prod(shape)))
    pixels = np.memmap(data, dtype=np.uint8, mode="r+", shape=shape)
    aspects, reasons = _decode_all(files, pixels, reporter)
    pixels.flush()
    known = {"listing": listing, "aspects": aspects.tolist(), "skipped": reasons}
    write_atomically(facts, json.dumps(known))
    return pixels, aspects, reasons


def _make_file(path: Path, size: int) -> None:
    try:
        reserve(path, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ClrSearchError(
            f"The decoded pictures need {size / 1e9:,.3f} GB in {path.parent}: {error.strerror}.",
            "Make room, or choose an --out on another disk.",
        ) from error


def _decode_all(
    files: Sequence[ImageFile], pixels: NDArray[np.uint8], reporter: Reporter
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Fill `pixels`; return the aspect ratios, and the reasons of the files that failed by row."""
    aspects = np.ones(len(files), dtype=np.float32)
    reasons: dict[int, str] = {}
    side = pixels.shape[1]

    def decode(row: int) -> None:
        try:
            pixels[row], aspects[row] = squash(files[row].path, side)
        except ImageError as error:
            reasons[row] = error.what

    reporter.begin("Decoding", len(files), "images")
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(files), _AHEAD):
                rows = range(start, min(start + _AHEAD, len(files)))
                for _ in pool.map(decode, rows):
                    reporter.advance(note=f"{len(reasons)} skipped" if reasons else "")
    finally:
        reporter.end()
    return aspects, reasons


def squash(path: Path, side: int) -> tuple[NDArray[np.uint8], float]:
    """Decode a picture and squash it to a square.

    Returns
    -------
    array, float
        uint8 [R, 3, R], row-planar, and the aspect ratio of the picture, width / height.

    Raises
    ------
    ImageError
        If it cannot be decoded.
    """
    from PIL import Image

    picture = load(path, at_least=side)
    image = Image.fromarray(picture.pixels)
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(0, 2, 1), picture.width / picture.height


def _labels(files: Sequence[ImageFile]) -> tuple[Tensor, tuple[str, ...]]:
    names = [file.label for file in files]
    classes = tuple(sorted(Counter(name for name in names if name is not None)))
    number = {name: index for index, name in enumerate(classes)}
    return torch.tensor([-1 if name is None else number[name] for name in names]), classes


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one step.

    Attributes
    ----------
    pixels : Tensor
        uint8 [b, R, 3, R], on the device: the share of this process.
    aspects, labels, indices : Tensor
        [B], on the processor, of the whole batch; numbers among the usable pictures in `indices`.
    share : slice
        Place of the b pictures among the B.
    view_side : int
        S, side in pixels of the views to be made of them.
    """

    pixels: Tensor
    aspects: Tensor
    labels: Tensor
    indices: Tensor
    share: slice
    view_side: int


def batches(
    collection: Collection,
    order: Tensor,
    batch_size: int,
    view_side: int,
    device: torch.device,
    skip: int = 0,
) -> Generator[Batch]:
    """Batches in the order given, the incomplete last one left out, each fetched one ahead.

    Of each batch, only the pixels of this process' share are fetched.

    Parameters
    ----------
    collection : Collection
        The pictures.
    order : Tensor
        int64 [N]: numbers of the pictures.
    batch_size : int
        B.
    view_side : int
        Handed on in the batches.
    device : torch.device
        Where the pixels are to be.
    skip : int
        Batches at the beginning that are not wanted.
    """
    share = share_of(batch_size)

    def fetch(indices: Tensor) -> Batch:
        pixels = sent(collection.take(indices[share]), device)
        aspects, labels = collection.aspects[indices], collection.labels[indices]
        return Batch(pixels, aspects, labels, indices, share, view_side)

    starts = range(skip * batch_size, len(order) - batch_size + 1, batch_size)
    with ThreadPoolExecutor(1, initializer=make_current, initargs=(device,)) as pool:
        coming: Future[Batch] | None = None
        for start in starts:
            ready, coming = coming, pool.submit(fetch, order[start : start + batch_size])
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()
