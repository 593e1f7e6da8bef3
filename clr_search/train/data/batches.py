"""The images of each step, fetched in a thread while the step before is computed."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from clr_search.train.data.collection import Collection
from clr_search.train.distributed import share_of
from clr_search.train.hardware import make_current, sent
from clr_search.train.rng import generator_for


@dataclass(frozen=True, slots=True)
class Batch:
    """The B images of one step, of which this process augments and embeds b.

    Attributes
    ----------
    pixels : Tensor
        uint8 [b, R, 3, R], on the device of the training.
    aspects : Tensor
        float32 [B], on the processor: width / height of each image.
    labels : Tensor
        int64 [B], on the processor: class of each image, −1 for none.
    indices : Tensor
        int64 [B], on the processor: numbers of the images in the collection.
    share : slice
        Which of the B images the b images of this process are.
    view_side : int
        S, side in pixels of the views to be made of the images.
    """

    pixels: Tensor
    aspects: Tensor
    labels: Tensor
    indices: Tensor
    share: slice
    view_side: int


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of the images in an epoch: a random permutation, int64 [count].

    Examples
    --------
    >>> sorted(epoch_order(4, seed=0, epoch=0).tolist())
    [0, 1, 2, 3]
    """
    return torch.randperm(count, generator=generator_for(seed, "order", epoch))


def batches(
    collection: Collection,
    order: Tensor,
    batch_size: int,
    view_side: int,
    device: torch.device,
    skip: int = 0,
) -> Generator[Batch]:
    """Yield batches in the order given; an incomplete last one is left out.

    While a batch is in use, the next one is fetched. Only the pixels of this process' share of a
    batch are fetched.

    Parameters
    ----------
    collection : Collection
        The images.
    order : Tensor
        int64 [N]: numbers of the images.
    batch_size : int
        B.
    view_side : int
        Value of `Batch.view_side`.
    device : torch.device
        Where the pixels are to be.
    skip : int
        Number of batches at the beginning of the order that are not yielded.
    """
    share = share_of(batch_size)

    def fetch(indices: Tensor) -> Batch:
        pixels = sent(collection.take(indices[share]), device)
        aspects, labels = collection.aspects[indices], collection.labels[indices]
        return Batch(pixels, aspects, labels, indices, share, view_side)

    starts = range(skip * batch_size, len(order) - batch_size + 1, batch_size)
    with ThreadPoolExecutor(1, initializer=make_current, initargs=(device,)) as pool:
        following: Future[Batch] | None = None
        for start in starts:
            current = following
            following = pool.submit(fetch, order[start : start + batch_size])
            if current is not None:
                yield current.result()
        if following is not None:
            yield following.result()
