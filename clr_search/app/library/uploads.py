"""Pictures that visitors have uploaded: by random tokens, for a while, and not too many."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import ClrSearchError

MOST_BYTES = 512 * 2**20
"""Largest total of the uploaded files."""

MOST = 500
"""Largest number of uploads."""

SECONDS = 3 * 3600.0
"""Seconds for which an upload is kept."""

SPARED = 60.0
"""Seconds for which an upload is kept in any case, however many come after it."""


class GoneError(ClrSearchError):
    """An upload is not, or no longer, there."""


class FullError(ClrSearchError):
    """There is no room for an upload now."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded picture.

    Attributes
    ----------
    token : str
        What names it; nobody can guess it.
    path : Path
        Its file, whose name is the token.
    name : str
        Name of the file where it came from, for people.
    size : int
        Bytes of the file.
    width, height : int
        Size of the upright picture in pixels.
    at : float
        When it came, by `time.monotonic`.
    """

    token: str
    path: Path
    name: str
    size: int
    width: int
    height: int
    at: float


class Uploads:
    """The uploads of all visitors; it is safe to use from several threads.

    Parameters
    ----------
    folder : Path
        A private folder for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes, name: str, width: int, height: int) -> Upload:
        """Keep a picture that has been decoded before.

        Raises
        ------
        FullError
            If too many have come within a minute.
        """
        token = secrets.token_urlsafe(18)
        upload = Upload(
            token, self._folder / token, name, len(data), width, height, time.monotonic()
        )
        with self._lock:
            self._make_room(len(data))
            self._known[token] = upload
        upload.path.write_bytes(data)
        return upload

    def get(self, token: str) -> Upload:
        """Return an upload.

        Raises
        ------
        GoneError
            If it was never there, is older than `SECONDS`, or had to go for others.
        """
        with self._lock:
            self._make_room(0)
            upload = self._known.get(token)
        if upload is None:
            raise GoneError(
                "The picture that you brought is no longer here.",
                "Bring it again: drop it, paste it or choose the file.",
            )
        return upload

    def _make_room(self, count: int) -> None:
        """Forget what is too old, and then the oldest as long as there is no room."""
        now = time.monotonic()
        total = count + sum(upload.size for upload in self._known.values())
        for upload in list(self._known.values()):
            full = count > 0 and (total > MOST_BYTES or len(self._known) >= MOST)
            if now - upload.at < (SPARED if full else SECONDS):
                break
            del self._known[upload.token]
            total -= upload.size
            with suppress(OSError):
                os.unlink(upload.path)  # noqa: PTH108 -- a file that is gone is no error
        if count and (total > MOST_BYTES or len(self._known) >= MOST):
            raise FullError("Too many pictures are being uploaded.", "Try again in a minute.")
