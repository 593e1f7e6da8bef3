"""Files to embeddings at full speed: threads read and decode while ONNX Runtime works.

A decoder thread takes a file from its bytes to a square of the encoder's size; the consumer's
thread collects squares in the order of the files and runs the encoder on them, with the interpreter
lock released, while the decoders go on with the next batches. Two batches at most are decoded ahead
(S×S×3 bytes a picture), so memory does not grow with the number of files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError, UsageError
from clr_search.files.write import sha256_bytes
from clr_search.serve.encoder import Encoder

_AHEAD = 2  # batches


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file that was embedded.

    Attributes
    ----------
    path : Path
        As it was given.
    size, mtime_ns : int
        Of the very bytes that were decoded.
    sha256 : str
        Of these bytes.
    width, height : int
        Of the whole picture in pixels, upright.
    vector : float32 array, shape (D,)
        Unit L2 norm.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    vector: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be embedded.

    Attributes
    ----------
    path : Path
        As it was given.
    size, mtime_ns : int
        Of the bytes that were read; 0 where none could be, so that the file is tried again.
    reason : str
        Why, for people.
    """

    path: Path
    size: int
    mtime_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Decoded:
    path: Path
    size: int
    mtime_ns: int
    sha256: str
    square: images.Picture


def embed_files(
    encoder: Encoder,
    files: Iterable[Path],
    *,
    batch_size: int = 64,
    workers: int | None = None,
) -> Iterator[list[Embedded | Skipped]]:
    """Embed files; a file that cannot be decoded is skipped with its reason, whatever is wrong.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    files : iterable of Path
        Consumed as the work proceeds, in the caller's thread.
    batch_size : int
        Files in one list, and pictures in one run of the encoder.
    workers : int, optional
        Decoder threads; one per usable core where not given.

    Yields
    ------
    list of Embedded or Skipped
        The next `batch_size` files, in order; the last list may be shorter. Closing the iterator,
        or an exception in the caller's loop, stops the threads.

    Raises
    ------
    UsageError
        If `batch_size` or `workers` is below 1.
    """
    workers = usable_cores() if workers is None else workers
    for name, value in (("batch_size", batch_size), ("workers", workers)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it must be 1 or more.")
    return _embedded(encoder, iter(files), batch_size, workers)


def usable_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _embedded(
    encoder: Encoder, files: Iterator[Path], batch_size: int, workers: int
) -> Iterator[list[Embedded | Skipped]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clr-decode")
    waiting: deque[Future[_Decoded | Skipped]] = deque()

    def look_ahead(count: int) -> None:
        for path in islice(files, count - len(waiting)):
            waiting.append(pool.submit(_decode, path, encoder.image_size))

    try:
        look_ahead(_AHEAD * batch_size)
        while waiting:
            batch = [waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))]
            look_ahead(_AHEAD * batch_size)  # before inference, which they overlap
            yield _infer(encoder, batch)
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, size: int) -> _Decoded | Skipped:
    status = None
    try:
        data, status = images.read(path)
        square = images.decode_square(data, size)
    except ImageError as error:
        reason = error.what
    except Exception as error:  # noqa: BLE001  # one file never ends a run over a million
        reason = f"{type(error).__name__} while decoding: {error}"
    else:
        return _Decoded(path, status.st_size, status.st_mtime_ns, sha256_bytes(data), square)
    if status is None:
        return Skipped(path, 0, 0, reason)
    return Skipped(path, status.st_size, status.st_mtime_ns, reason)


def _infer(encoder: Encoder, batch: list[_Decoded | Skipped]) -> list[Embedded | Skipped]:
    size = encoder.image_size
    squares = [one.square.pixels for one in batch if isinstance(one, _Decoded)]
    stacked = np.array(squares, np.uint8).reshape(-1, size, size, 3)  # also of none at all
    vectors = iter(encoder.encode_squares(stacked))
    return [
        one
        if isinstance(one, Skipped)
        else Embedded(
            one.path,
            one.size,
            one.mtime_ns,
            one.sha256,
            one.square.width,
            one.square.height,
            next(vectors),
        )
        for one in batch
    ]
