"""Settings of the service: limits of requests, and API keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clr_search.errors import UsageError
from clr_search.images.isolation import DecodingLimits
from clr_search.serve.sessions import BATCH

KEYS_VARIABLE = "CLR_SEARCH_API_KEYS"
"""Name of the environment variable that holds API keys, separated by commas."""

SHORTEST_KEY = 16
"""Least number of characters of a key; shorter ones can be guessed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a request, and of all requests together.

    Attributes
    ----------
    body_bytes : int
        Largest body of a request, in bytes.
    pixels : int
        Largest number of pixels of a picture; it is checked in the file's header, before decoding.
    images : int
        Largest number of pictures in a request. It is lowered to `pending_images`, since more
        could never be accepted.
    neighbours : int
        Largest k of a search.
    seconds : float
        Longest time of a request, from its first byte to its answer.
    pending_images : int
        Largest number of pictures, over all requests, that are accepted and not yet embedded.
        Further requests are refused with 503 and the time after which to try again.
    batch : int
        Largest number of pictures in one inference.
    batch_wait : float
        Seconds for which an inference that is not full waits for more pictures.
    decoding : DecodingLimits
        The most that decoding one picture may take.

    Examples
    --------
    >>> Limits(images=1000, pending_images=100).images
    100
    """

    body_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    images: int = 64
    neighbours: int = 1000
    seconds: float = 30.0
    pending_images: int = 512
    batch: int = BATCH
    batch_wait: float = 0.0
    decoding: DecodingLimits = field(default_factory=lambda: DecodingLimits(seconds=30.0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", min(self.images, self.pending_images))


@dataclass(frozen=True, slots=True)
class Keys:
    """The API keys of which a request needs one, stored as hashes.

    Without any key, every request is accepted.

    Examples
    --------
    >>> keys = Keys.of(["an example of a long key"])
    >>> keys.accept("an example of a long key"), keys.accept("another key"), keys.accept(None)
    (True, False, False)
    """

    hashes: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, keys: Iterable[str]) -> Keys:
        """Return the keys with these texts; empty texts are ignored.

        Raises
        ------
        UsageError
            If a key is too short, or has characters that an HTTP header cannot carry.
        """
        texts = [key.strip() for key in keys if key.strip()]
        if any(len(text) < SHORTEST_KEY for text in texts):
            raise UsageError(
                f"An API key has fewer than {SHORTEST_KEY} characters, which can be guessed.",
                "Make one with: openssl rand -hex 24",
            )
        if not all(text.isascii() and text.isprintable() for text in texts):
            raise UsageError(
                "An API key has characters that are not printable ASCII; no header carries them.",
                "Make one with: openssl rand -hex 24",
            )
        return cls(tuple(_hash(text) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def accept(self, key: str | None) -> bool:
        """Whether a request with this key is accepted; every wrong key takes the same time."""
        if not self.hashes:
            return True
        digest = _hash(key or "")
        # All hashes have one length and all are compared, so that the time reveals nothing.
        return sum(hmac.compare_digest(digest, accepted) for accepted in self.hashes) > 0


def _hash(key: str) -> bytes:
    """Return the SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def read_keys(file: Path | None, environment: Mapping[str, str]) -> Keys:
    """Read the keys of a file and of the environment variable `KEYS_VARIABLE`.

    The file holds one key a line; lines that begin with `#` are comments.

    Raises
    ------
    UsageError
        If the file cannot be read or has no key, or a key is too short or not printable ASCII.

    Examples
    --------
    >>> bool(read_keys(None, {KEYS_VARIABLE: "an example of a long key"}))
    True
    """
    texts = environment.get(KEYS_VARIABLE, "").split(",")
    if file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()  # Some editors write a BOM.
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"The keys in {file} cannot be read: {error}.", "Write one key a line, as text."
            ) from error
        keys = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not keys:
            raise UsageError(f"{file} holds no key.", "Write one key a line.")
        texts += keys
    return Keys.of(texts)
