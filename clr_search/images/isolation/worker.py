"""What runs inside a worker process: it decodes the pictures of one message after the other.

`process.WorkerProcess` starts it. Standard input and output are pipes that say whose turn it is,
and standard error is the shared file, which every system can hand over. When the parent is gone,
whichever way it went, the pipe ends, and so does the worker.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from clr_search.errors import ImageError
from clr_search.images import decoding
from clr_search.images.formats import READERS
from clr_search.images.geometry import enough_for, squared
from clr_search.images.isolation import messages
from clr_search.images.isolation.limits import DecodingLimits, Meter
from clr_search.images.isolation.messages import LargePictureError, Part, Request, Row, SharedFile
from clr_search.images.picture import Picture

_LONGEST = 0.1  # Seconds after which a worker answers with the pictures that are done.
_MOST_GROWN = 2**28  # Bytes of memory kept from earlier pictures, with which a worker ends.
_MOST_WRITTEN = 2**34  # Bytes of the shared file: more than any picture has.
_THREADS = 2  # Of a decoder that uses several; there are as many workers as cores.
_USUAL = 0.0017  # Seconds of the reference picture on the machine of `isolation.limits`.


class _Host:
    """Decoding in a worker: see `decoding.Host`.

    Parameters
    ----------
    meter : Meter
        It limits each picture by its pixels.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.request = Request(b"", square=False, size=0, max_pixels=1)

    def expect(self, pixels: int, work: int) -> None:
        """Allow what a picture of so many pixels may take."""
        self._meter.allow(pixels, work, len(self.request.data))

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        """Put off a large picture until the parent gives it its turn."""
        if 0 < self.request.put_off < pixels:
            raise LargePictureError("it is to be put off")
        yield


def main() -> None:
    """Answer messages until the parent is gone."""
    limits = DecodingLimits(*json.loads(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    shared = SharedFile(os.dup(2))
    _no_core_dumps()
    meter = Meter(limits, _reference(), _USUAL)
    _load_decoders()
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 -- the file of a descriptor
        os.dup2(nothing.fileno(), 2)  # what libraries print must not lie in the shared file
    host = _Host(meter)
    os.write(1, messages.READY)
    while count := os.read(0, 1):
        fit = _answer(shared, count[0], host, meter)
        os.write(1, messages.TURN)
        if not fit or meter.grown() > _MOST_GROWN:
            return


def _answer(shared: SharedFile, count: int, host: _Host, meter: Meter) -> bool:
    """Decode the pictures of a message; returns whether this process is still fit for more."""
    began, at = time.monotonic(), messages.PAYLOAD
    requests = _requests(shared, count)
    for number, request in enumerate(requests):
        if number and time.monotonic() - began > _LONGEST:
            break
        shared.set_row(number, Row(messages.WORKING, (0, 0, 0, 0), 0))
        host.request = request
        row, parts, fit = _outcome(host, meter)
        shared.write(parts, at)
        shared.set_row(number, row)
        at += sum(memoryview(part).nbytes for part in parts)
        if not fit:
            return False
    return True


def _requests(shared: SharedFile, count: int) -> list[Request]:
    """Read the requests of a message, with all files, since the pixels take their place."""
    requests, at = [], messages.PAYLOAD
    for row in shared.rows(count):
        square, size, put_off, _ = row.numbers
        data = shared.read(row.length, at)
        at += row.length
        requests.append(Request(data, bool(square), size, row.more, put_off))
    return requests


def _outcome(host: _Host, meter: Meter) -> tuple[Row, list[Part], bool]:
    """Decode a picture; returns its row, its pixels or its reason, and whether all is well."""
    meter.begin(len(host.request.data))
    fit = True
    try:
        picture = _decoded(host)
        meter.end()
    except LargePictureError:
        meter.end()
        return Row(messages.LARGE, (0, 0, 0, 0), 0), [], True
    except ImageError as error:
        meter.end()
        reason, fit = error.what, not isinstance(error.__cause__, MemoryError)
    except MemoryError:
        meter.end()
        reason, fit = "not enough memory to decode it", False
    except Exception as error:  # noqa: BLE001  # as in `serve.pipeline`
        meter.end()
        reason = f"{type(error).__name__} while decoding: {error}"
    else:
        across, down = picture.pixels.shape[1], picture.pixels.shape[0]
        numbers = (across, down, picture.width, picture.height)
        notes = messages.encoded_notes(picture.notes)
        row = Row(messages.DONE, numbers, picture.pixels.nbytes, len(notes))
        return row, [picture.pixels.data, notes], True
    if not fit:
        reason = "decoding it takes more memory than a picture of its size may"
    body = messages.encoded(reason)
    return Row(messages.REFUSED, (0, 0, 0, 0), len(body)), [body], fit


def _decoded(host: _Host) -> Picture:
    """Decode the picture of the request, as `images.decode` and `images.decode_square` do."""
    request = host.request
    data, most = request.data, request.max_pixels
    if request.square:
        size = request.size
        return decoding.decode_on(
            host, data, enough_for(size), most, lambda image: squared(image, size)
        )
    return decoding.decode_on(host, data, request.size or None, most, np.array)


def _reference() -> Callable[[], object]:
    """Return the decoding of a photo-like JPEG of a quarter of a megapixel."""
    from PIL import Image

    y, x = np.mgrid[0:512, 0:512]
    grey = (128 + 60 * np.sin(x / 9) * np.cos(y / 7) + (x * y) % 23).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.stack([grey, grey.T, grey[::-1]], axis=2)).save(file, "JPEG", quality=90)
    return lambda: decoding.decode(file.getvalue())


def _load_decoders() -> None:
    """Import the reader of every format, so that no picture pays for it, and few threads serve."""
    for module, _ in READERS.values():
        with suppress(ImportError):  # HEIC is an extra; its files say so
            importlib.import_module(module)
    if avif := sys.modules.get("PIL.AvifImagePlugin"):
        vars(avif)["DEFAULT_MAX_THREADS"] = _THREADS
    if heif := sys.modules.get("pillow_heif"):
        heif.options.DECODE_THREADS = _THREADS


def _no_core_dumps() -> None:
    """Let a crash leave nothing on the disk, where the system has such limits."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))


if __name__ == "__main__":
    main()
