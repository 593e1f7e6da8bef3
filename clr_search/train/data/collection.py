"""The decoded images that a training learns from, in memory or in a memory-mapped file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clr_search.train.hardware import sent


@dataclass(frozen=True, slots=True)
class TeacherVectors:
    """What a teacher says of the images of a collection.

    Attributes
    ----------
    vectors : Tensor
        float16 [N, D], on the processor, rows of unit length: the teacher's vector of each image.
    sha256 : str
        SHA-256 of the teacher's file.
    """

    vectors: Tensor
    sha256: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Decoded images, each squashed to a square of R×R pixels.

    Attributes
    ----------
    pixels : Tensor
        uint8 [files, R, 3, R], row-planar (see `resample`); the rows of skipped files are never
        read.
    rows : Tensor
        int64 [N]: the rows of the N usable images.
    aspects : Tensor
        float32 [N]: width / height of the images before they were squashed.
    labels : Tensor
        int64 [N]: the class of each image by its parent folder, −1 for none.
    classes : tuple of str
        Names of the classes.
    skipped : list of (Path, str)
        Files that could not be decoded, and why.
    fingerprint : str
        SHA-256 over the usable files' names and sizes, and R.
    teacher : TeacherVectors or None
        The teacher's vectors of the images, where there is a teacher.
    """

    pixels: Tensor
    rows: Tensor
    aspects: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    skipped: list[tuple[Path, str]]
    fingerprint: str
    teacher: TeacherVectors | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Tensor) -> Tensor:
        """The pixels of some images.

        Parameters
        ----------
        indices : Tensor
            int64 [B], on the processor: numbers of usable images, from 0 to N − 1.

        Returns
        -------
        Tensor
            uint8 [B, R, 3, R], on the device of `pixels`.
        """
        rows = self.rows[indices]
        if self.pixels.device.type != "cpu":
            return self.pixels[sent(rows, self.pixels.device)]
        # numpy copies in this thread alone. In a thread that fetches ahead, torch would start a
        # second team of OpenMP threads, which spin beside those of the network and cost a fourth of
        # the speed of a small one (ResNet-18 of width 1/4, batch 256, 32 px).
        return torch.from_numpy(self.pixels.numpy()[rows.numpy()])


def resident(collection: Collection, device: str) -> Collection:
    """The collection with its pixels on the device, if that has room for them.

    Pixels are moved only to a CUDA device, and only if they take at most half of its free memory.
    """
    target = torch.device(device)
    if target.type != "cuda":
        return collection
    free, _ = torch.cuda.mem_get_info(target)
    if collection.pixels.nbytes > free / 2:
        return collection
    return replace(collection, pixels=collection.pixels.to(target))
