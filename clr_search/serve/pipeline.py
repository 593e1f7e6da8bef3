"""The pipeline embeds files at full speed: threads decode them while ONNX Runtime computes.

A decoder thread reads a file and decodes it to a square of the encoder's size. The caller's thread
collects squares in the order of the files and runs the encoder on them. ONNX Runtime releases the
interpreter lock, so that the decoders continue with the next batches meanwhile. At most two batches
are decoded ahead (S×S×3 bytes a picture), so memory does not grow with the number of files.

Objects of a store are read ahead of the decoder threads, by more threads, since a store takes
longer to answer than a disk. One that cannot be read is skipped as a file is; where the store as a
whole does not answer, the run ends.

Pictures of strangers are decoded in worker processes on request: each decoder thread then sends the
files of some pictures to a worker at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.cores import usable_cores
from clr_search.errors import ImageError, UsageError
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.ahead import ReadAhead
from clr_search.files.stores.failures import StoreError
from clr_search.files.write import sha256_bytes
from clr_search.images import Frame
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.images.metadata.exif import Exif, exif_of
from clr_search.serve.encoder import Encoder

_AHEAD = 2
"""Number of batches that are decoded ahead of the encoder, so that it never waits for one file."""

_MESSAGE_FILES = 16
"""Number of files that are sent to a worker process at a time."""

_MESSAGE_BYTES = 2**22
"""Bytes of files after which no further file is sent with them, so that few are held in memory."""

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
    exif : Exif or None
        What the camera wrote into an object, which is not read once more for it; None of a file.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    notes: tuple[images.Note, ...] = ()
    exif: Exif | None = None


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
    exif : Exif or None
        As of `Embedded`.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    square: images.Picture
    exif: Exif | None = None


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was read; attributes as of `Decoded`."""

    path: Path
    size: int
    mtime_ns: int
    data: bytes = field(repr=False)

    def decoded(self, square: images.Picture) -> Decoded:
        """Return the file with its square."""
        exif = exif_of(self.data) if isinstance(self.path, ObjectPath) else None
        return Decoded(self.path, self.size, self.mtime_ns, sha256_bytes(self.data), square, exif)

    def skipped(self, reason: str) -> Skipped:
        """Return the file as one that cannot be decoded."""
        return Skipped(self.path, self.size, self.mtime_ns, reason)


def embed_files(
    encoder: Encoder,
    files: Iterable[Path],
    *,
    batch_size: int = 64,
    workers: int | None = None,
    isolation: DecodingLimits | None = None,
) -> Iterator[list[Embedded | Skipped]]:
    """Embed files; one that cannot be decoded, for whatever reason, becomes a `Skipped`.

    Parameters
    ----------
    encoder : Encoder
        The encoder that computes the vectors.
    files, batch_size, workers, isolation
        As `infer_files` takes them.

    Yields
    ------
    list of Embedded or Skipped
        The next `batch_size` files, in order; the last list may be shorter.

    Raises
    ------
    UsageError
        If `batch_size` or `workers` is below 1.
    StoreError
        If the store of an object does not answer; earlier lists are complete.

    Examples
    --------
    Print the reason for each file that could not be embedded::

        for batch in embed_files(Encoder(), Path("photos").glob("*.jpg")):
            for item in batch:
                if isinstance(item, Skipped):
                    print(item.path, item.reason)
    """
    batches: Iterator[list[tuple[Decoded, NDArray[np.float32]] | Skipped]] = infer_files(
        encoder.encode_squares,
        encoder.frame,
        files,
        batch_size=batch_size,
        workers=workers,
        isolation=isolation,
    )
    return ([_embedded(item) for item in batch] for batch in batches)


def infer_files(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    frame: Frame | int,
    files: Iterable[Path],
    *,
    batch_size: int = 64,
    workers: int | None = None,
    isolation: DecodingLimits | None = None,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    """Run a model over files, which threads decode ahead of it.

    Parameters
    ----------
    infer : callable
        A function of squares, uint8 of shape (n, S, S, 3), that returns n results; n may be 0.
    frame : Frame or int
        How a picture becomes a square; a number is the side of its central one.
    files : iterable of Path
        The files; the caller's thread takes them from the iterable as the work proceeds.
    batch_size : int
        Number of files in one list, and of pictures in one run of the model.
    workers : int, optional
        Number of decoder threads; one per usable core by default.
    isolation : DecodingLimits, optional
        Decode in as many worker processes as there are threads, each picture within these limits.

    Yields
    ------
    list of (Decoded, result) or Skipped
        The next `batch_size` files, in order; the last list may be shorter. Closing the iterator,
        or an exception in the caller's loop, stops the threads.

    Raises
    ------
    UsageError
        If `batch_size` or `workers` is below 1.
    ClrSearchError
        If the worker processes cannot be started, or a store does not answer.
    """
    workers = usable_cores() if workers is None else workers
    for name, value in (("batch_size", batch_size), ("workers", workers)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it must be 1 or more.")
    if isolation is None:
        return _inferred(infer, frame, iter(files), batch_size, workers, _HERE)
    return _isolated(infer, frame, iter(files), batch_size, workers, isolation)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """How files are decoded: the function of a thread, and the number of files it takes at once."""

    decode: Callable[[Sequence[Path], Frame | int, ReadAhead], list[Decoded | Skipped]]
    most: int


def _isolated(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    frame: Frame | int,
    files: Iterator[Path],
    batch_size: int,
    workers: int,
    isolation: DecodingLimits,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    """Yield the batches of `infer_files`, decoded in worker processes that end with them."""
    with DecodingWorkers(workers, isolation) as processes:
        decoder = _Decoder(partial(_decode_apart, processes), _MESSAGE_FILES)
        yield from _inferred(infer, frame, files, batch_size, workers, decoder)


def _inferred(
    infer: Callable[[NDArray[np.uint8]], Iterable[_Result]],
    frame: Frame | int,
    files: Iterator[Path],
    batch_size: int,
    workers: int,
    decoder: _Decoder,
) -> Iterator[list[tuple[Decoded, _Result] | Skipped]]:
    """Yield the batches of `infer_files`, whose arguments have been checked."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clr-decode")
    ahead = ReadAhead(images.MAX_BYTES)
    batches: deque[list[Future[list[Decoded | Skipped]]]] = deque()

    def fill_queue() -> None:
        while len(batches) < _AHEAD and (paths := list(islice(files, batch_size))):
            ahead.expect(paths)
            parts = [
                paths[start : start + decoder.most] for start in range(0, len(paths), decoder.most)
            ]
            batches.append([pool.submit(decoder.decode, part, frame, ahead) for part in parts])

    try:
        fill_queue()
        while batches:
            batch = [file for part in batches.popleft() for file in part.result()]
            fill_queue()  # Before inference, so that decoding overlaps with it.
            squares = [file.square.pixels for file in batch if isinstance(file, Decoded)]
            # The shape is spelled out, since a batch may have no square at all.
            side = images.framed(frame).size
            pixels = np.array(squares, np.uint8).reshape(-1, side, side, 3)
            results = iter(infer(pixels))
            yield [file if isinstance(file, Skipped) else (file, next(results)) for file in batch]
    finally:
        pool.shutdown(cancel_futures=True)
        ahead.close()


def _decode_here(
    paths: Sequence[Path], frame: Frame | int, ahead: ReadAhead
) -> list[Decoded | Skipped]:
    """Read and decode files in this process."""
    return [_decode(path, frame, ahead) for path in paths]


_HERE = _Decoder(_decode_here, 1)


def _decode(path: Path, frame: Frame | int, ahead: ReadAhead) -> Decoded | Skipped:
    """Read one file and decode it to a square, or return the reason why that is not possible."""
    file = _read(path, ahead)
    if isinstance(file, Skipped):
        return file
    try:
        return file.decoded(images.decode_square(file.data, frame))
    except ImageError as error:
        return file.skipped(error.what)
    except Exception as error:  # noqa: BLE001  # One file must never end a run over a million.
        return file.skipped(f"{type(error).__name__} while decoding: {error}")


def _decode_apart(
    processes: DecodingWorkers, paths: Sequence[Path], frame: Frame | int, ahead: ReadAhead
) -> list[Decoded | Skipped]:
    """Read files, and have them decoded by a worker process, as many at a time as are small."""
    results: list[Decoded | Skipped] = []
    group: list[_File | Skipped] = []
    held = 0
    for path in paths:
        group.append(_read(path, ahead))
        held += group[-1].size
        if held > _MESSAGE_BYTES or path is paths[-1]:
            results += _decode_group(processes, group, frame)
            group, held = [], 0
    return results


def _decode_group(
    processes: DecodingWorkers, group: Sequence[_File | Skipped], frame: Frame | int
) -> Iterator[Decoded | Skipped]:
    """Yield files decoded by a worker process, and those that could not be read as they are."""
    contents = [file.data for file in group if isinstance(file, _File)]
    pictures = iter(processes.decode_squares(contents, frame))
    for file in group:
        if isinstance(file, Skipped):
            yield file
        elif isinstance(picture := next(pictures), ImageError):
            yield file.skipped(picture.what)
        else:
            yield file.decoded(picture)


def _read(path: Path, ahead: ReadAhead) -> _File | Skipped:
    """Read one file, or return the reason why that is not possible.

    Raises
    ------
    StoreError
        If the store of an object does not answer, so that all others would be skipped with it.
    """
    try:
        of_object = (ahead.read,) if isinstance(path, ObjectPath) else ()
        data, status = images.read(path, *of_object)
    except StoreError:
        raise
    except ImageError as error:
        return Skipped(path, 0, 0, error.what)
    except Exception as error:  # noqa: BLE001  # One file must never end a run over a million.
        return Skipped(path, 0, 0, f"{type(error).__name__} while reading: {error}")
    return _File(path, status.st_size, status.st_mtime_ns, data)


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
        file.exif,
    )
