"""Files to embeddings at full speed: threads read and decode while ONNX Runtime works.

A decoder thread takes a file from its bytes to a square of the encoder's size; the consumer's
thread collects squares in the order of the files and runs the encoder on them, with the interpreter
lock released, while the decoders go on with the next batches. Two batches at most are decoded ahead
(S×S×3 bytes a picture), so memory does not grow with the number of files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError, UsageError
from clr_search.files.write import sha256_bytes
from clr_search.serve.encoder import Encoder

_AHEAD = 2  # batches

_Result = TypeVar("_Result")


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
class Decoded:
    """A file that was decoded.

    Attributes
    ----------
    path : Path
        As it was given.
    size, mtime_ns, sha256
        As of `Embedded`.
    square : Picture
        The square of the encoder's size, and the size of the whole picture.
    """

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
    files, batch_size, workers
        As of `infer_files`.

    Yields
    ------
    list of Embedded or Skipped
        As `infer_files`.

    Raises
    ------
    UsageError
        If `batch_size` or `workers` is below 1.
    """
    batches: Iterator[list[tuple[Decoded, NDArray[np.float32]] | Skipped]] = infer_files(
        encoder.encode_squares, encoder.image_size, files, batch_size=batch_size, workers=workers
    )
    return ([_embedded(one) for one in batch] for batch in batches)


def infer_files(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    size: int,
    files: Iterable[Path],
    *,
    batch_size: int = 64,
    workers: int | None = None,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    """Run a model over files, which are decoded ahead of it in threads.

    Parameters
    ----------
    infer : callable
        Takes squares, uint8 (n, S, S, 3), and gives n results.
    size : int
        S.
    files : iterable of Path
        Consumed as the work proceeds, in the caller's thread.
    batch_size : int
        Files in one list, and pictures in one run of the model.
    workers : int, optional
        Decoder threads; one per usable core where not given.

    Yields
    ------
    list of (Decoded, result) or Skipped
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
    return _inferred(infer, size, iter(files), batch_size, workers)


def usable_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _inferred(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    size: int,
    files: Iterator[Path],
    batch_size: int,
    workers: int,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clr-decode")
    waiting: deque[Future[Decoded | Skipped]] = deque()

    def look_ahead(count: int) -> None:
        for path in islice(files, count - len(waiting)):
            waiting.append(pool.submit(_decode, path, size))

    try:
        look_ahead(_AHEAD * batch_size)
        while waiting:
            batch = [waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))]
            look_ahead(_AHEAD * batch_size)  # before inference, which they overlap
            squares = [one.square.pixels for one in batch if isinstance(one, Decoded)]
            stacked = np.array(squares, np.uint8).reshape(-1, size, size, 3)  # also of none at all
            results = iter(infer(stacked))
            yield [one if isinstance(one, Skipped) else (one, next(results)) for one in batch]
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, size: int) -> Decoded | Skipped:
    status = None
    try:
        data, status = images.read(path)
        square = images.decode_square(data, size)
    except ImageError as error:
        reason = error.what
    except Exception as error:  # noqa: BLE001  # one file never ends a run over a million
        reason = f"{type(error).__name__} while decoding: {error}"
    else:
        return Decoded(path, status.st_size, status.st_mtime_ns, sha256_bytes(data), square)
    if status is None:
        return Skipped(path, 0, 0, reason)
    return Skipped(path, status.st_size, status.st_mtime_ns, reason)


def _embedded(one: tuple[Decoded, NDArray[np.float32]] | Skipped) -> Embedded | Skipped:
    if isinstance(one, Skipped):
        return one
    file, vector = one
    whole = file.square
    return Embedded(
        file.path, file.size, file.mtime_ns, file.sha256, whole.width, whole.height, vector
    )
