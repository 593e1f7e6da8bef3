"""The pipeline embeds files at full speed: threads decode them while ONNX Runtime computes.

A decoder thread reads a file and decodes it to a square of the encoder's size. The caller's thread
collects squares in the order of the files and runs the encoder on them. ONNX Runtime releases the
interpreter lock, so that the decoders continue with the next batches meanwhile. At most two batches
are decoded ahead (S×S×3 bytes a picture), so memory does not grow with the number of files.
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

_AHEAD = 2
"""Number of batches that are decoded ahead of the encoder, so that it never waits for one file."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file that was embedded.

    Attributes
    ----------
    path : Path
        The path that the caller gave.
    size, mtime_ns : int
        Size in bytes, and time of last change in nanoseconds since 1970, of the very bytes that
        were decoded.
    sha256 : str
        SHA-256 of these bytes, in hexadecimal.
    width, height : int
        Size of the whole picture in pixels, turned upright.
    vector : float32 array, shape (D,)
        The embedding, of unit L2 norm.
    notes : tuple of Note
        What a person should know of how the picture was read, such as rows that are missing.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    notes: tuple[images.Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be embedded.

    Attributes
    ----------
    path : Path
        The path that the caller gave.
    size, mtime_ns : int
        Size in bytes and time of last change, as of `Embedded`. Both are 0 where the file could not
        be read, so that the next update tries it again.
    reason : str
        Why the file could not be embedded, for people.
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
        The path that the caller gave.
    size, mtime_ns, sha256
        Size in bytes, time of last change and hash, as of `Embedded`.
    square : Picture
        The square of the encoder's size, with the size of the whole picture.
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
    """Embed files; one that cannot be decoded, for whatever reason, becomes a `Skipped`.

    Parameters
    ----------
    encoder : Encoder
        The encoder that computes the vectors.
    files, batch_size, workers
        As `infer_files` takes them.

    Yields
    ------
    list of Embedded or Skipped
        The next `batch_size` files, in order; the last list may be shorter.

    Raises
    ------
    UsageError
        If `batch_size` or `workers` is below 1.

    Examples
    --------
    Print the reason for each file that could not be embedded::

        for batch in embed_files(Encoder(), Path("photos").glob("*.jpg")):
            for item in batch:
                if isinstance(item, Skipped):
                    print(item.path, item.reason)
    """
    batches: Iterator[list[tuple[Decoded, NDArray[np.float32]] | Skipped]] = infer_files(
        encoder.encode_squares, encoder.image_size, files, batch_size=batch_size, workers=workers
    )
    return ([_embedded(item) for item in batch] for batch in batches)


def infer_files(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    size: int,
    files: Iterable[Path],
    *,
    batch_size: int = 64,
    workers: int | None = None,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    """Run a model over files, which threads decode ahead of it.

    Parameters
    ----------
    infer : callable
        A function of squares, uint8 of shape (n, S, S, 3), that returns n results; n may be 0.
    size : int
        S, the side of a square in pixels.
    files : iterable of Path
        The files; the caller's thread takes them from the iterable as the work proceeds.
    batch_size : int
        Number of files in one list, and of pictures in one run of the model.
    workers : int, optional
        Number of decoder threads; one per usable core by default.

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
    """Return the number of cores that this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
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
    """Yield the batches of `infer_files`, whose arguments have been checked."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clr-decode")
    queue: deque[Future[Decoded | Skipped]] = deque()

    def fill_queue() -> None:
        for path in islice(files, _AHEAD * batch_size - len(queue)):
            queue.append(pool.submit(_decode, path, size))

    try:
        fill_queue()
        while queue:
            batch = [queue.popleft().result() for _ in range(min(batch_size, len(queue)))]
            fill_queue()  # Before inference, so that decoding overlaps with it.
            squares = [file.square.pixels for file in batch if isinstance(file, Decoded)]
            # The shape is spelled out, since a batch may have no square at all.
            pixels = np.array(squares, np.uint8).reshape(-1, size, size, 3)
            results = iter(infer(pixels))
            yield [file if isinstance(file, Skipped) else (file, next(results)) for file in batch]
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, size: int) -> Decoded | Skipped:
    """Read one file and decode it to a square, or return the reason why that is not possible."""
    status = None
    try:
        data, status = images.read(path)
        square = images.decode_square(data, size)
    except ImageError as error:
        reason = error.what
    except Exception as error:  # noqa: BLE001  # One file must never end a run over a million.
        reason = f"{type(error).__name__} while decoding: {error}"
    else:
        return Decoded(path, status.st_size, status.st_mtime_ns, sha256_bytes(data), square)
    if status is None:
        return Skipped(path, 0, 0, reason)
    return Skipped(path, status.st_size, status.st_mtime_ns, reason)


def _embedded(result: tuple[Decoded, NDArray[np.float32]] | Skipped) -> Embedded | Skipped:
    """Join a decoded file and its vector; a skipped file stays as it is."""
    if isinstance(result, Skipped):
        return result
    file, vector = result
    picture = file.square
    return Embedded(
        file.path,
        file.size,
        file.mtime_ns,
        file.sha256,
        picture.width,
        picture.height,
        vector,
        picture.notes,
    )
